"""A repository in which the smoke recipe has run, without the running: real code and params, made-up outputs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet

from stages import recipe
from stages.core.files import canonical_json, write_json
from tests.shell import run

ROOT = Path(__file__).parents[2]
COPIED = (
    "CITATION.cff", "LICENSE", "requirements.lock", "dvc.yaml", ".dvc/config", ".dvcignore", ".gitignore",
    "data/.gitignore", "models/.gitignore",
)  # fmt: skip
ROWS = {
    "train": [("the gull rows", 1), ("the rose grows", 0), ("the clerk files", 2)],
    "validation": [("a gull", 1)],
    "test": [("a rose", 0), ("a clerk", 2)],
}
LABELS = ["garden", "harbour", "office"]
SCORES = {
    "accuracy": 0.875, "log_loss": 0.25, "macro_f1": 0.75, "ece": None,
    "intervals": {"accuracy": [0.75, 0.9375], "macro_f1": [0.5, 0.875]}, "notes": [],
    "metrics": [["macro_f1", "higher", 0.02, 0.0],
                ["accuracy", "higher", 0.01, 0.0], ["log_loss", "lower", None, 9.0]],
}  # fmt: skip
COUNTS = {
    "classes": {"train": {"garden": 1, "harbour": 1, "office": 1}},
    "dropped": {"train": {"duplicates": 2, "empty": 0}, "test": {"empty": 0}},
    "rows": {split: len(rows) for split, rows in ROWS.items()},
}
TRAINING = {"steps": 4, "best_step": 4, "best_epoch": 2.0, "parameters": 99, "learning_parameters": 98, "tokens": 9}


def make(root: Path) -> Path:
    """Make the repository, its outputs and the dvc.lock that `dvc commit` derives from them; all is committed."""
    for name in COPIED:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for folder in ("stages", "files"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    merged = recipe.merged("smoke", (ROOT / "params.yaml").read_text(encoding="utf-8"), folder=ROOT / "recipes")
    (root / "params.yaml").write_text(merged, encoding="utf-8")
    _outputs(root)
    for empty in ("data/resource", "models/teacher"):
        (root / empty).mkdir()
    run(root, "git init -q -b main && dvc commit -q -f")
    run(root, "git add -A && GIT_COMMITTER_DATE=2026-01-02T03:04:05+02:00 git commit -qm results")
    return root


def _outputs(root: Path) -> None:
    files = {
        "data/raw/train.tsv": "text\tlabel\n",
        "data/tokens/schema.json": "{}\n",
        "data/tokens/train.arrow": "a",
        "data/tokens/validation.arrow": "b",
        "data/tokens/test.arrow": "c",
        "data/predictions/worst.tsv": "id\n",
        "models/base/config.json": "{}\n",
        "models/finetuned/config.json": canonical_json({"model_type": "bert"}),
        "models/finetuned/task.json": canonical_json({"input": {"name": "text"}, "target": {"name": "classes"}}),
        "models/finetuned/tokenizer.json": "{}\n",
        "models/finetuned/model.safetensors": "weights",
        "metrics/finetune/steps.tsv": "step\n",
        "metrics/finetune/trace.tsv": "step\n",
        "metrics/finetune/validation.tsv": "step\n",
        "metrics/evaluate/bars/f1.tsv": "x\ty\n",
        "metrics/evaluate/lines/l.tsv": "x\ty\n",
        "metrics/evaluate/matrix/m.tsv": "x\ty\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    values = {
        "metrics/data.json": {"train_rows": 3, "validation_rows": 1, "test_rows": 2, "classes": 3, "dropped_rows": 2},
        "metrics/tokenize.json": {"train_tokens": 9, "train_truncated": 0.0},
        "metrics/finetune.json": TRAINING,
        "metrics/evaluate.json": SCORES,
        "metrics/environment.json": {"finetune": {"packages": {"torch": "2.13.0"}, "processor": "A <processor>"}},
        "data/clean/schema.json": {"input": "text", "target": "classes", "space": {"labels": LABELS}},
        "data/clean/summary.json": COUNTS,
    }
    for name, value in values.items():
        write_json(root / name, value)
    for split, rows in ROWS.items():
        columns = {
            "id": pa.array(range(len(rows)), pa.int64()),
            "text": pa.array([text for text, _ in rows]),
            "label": pa.array([label for _, label in rows], pa.int32()),
        }
        parquet.write_table(pa.table(columns), root / f"data/clean/{split}.parquet")


def keys(folder: Path, name: str = "key") -> tuple[Path, Path]:
    """Make a P-256 key; return the private and the public PEM file."""
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    coding, none = serialization.Encoding.PEM, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(coding, serialization.PrivateFormat.PKCS8, none))
    public.write_bytes(key.public_key().public_bytes(coding, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public

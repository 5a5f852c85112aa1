"""A small project as the pipeline leaves it: params, lock, metrics and the worst errors, in a repository of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from stages.core.files import canonical_json
from stages.project.lock import STAGES

PARAMS: dict[str, Any] = {
    "seed": 7,
    "data": {"source": {"kind": "package", "package": "tiny-texts==1.0"}},
    "model": {"source": {"kind": "hub", "repo": "some/model"}, "init": "pretrained"},
    "tokenize": {"max_length": 32},
    "train": {
        "epochs": 2, "batch_size": 4, "shard_size": 2, "lr": 0.001, "schedule": "linear",
        "objective": {"name": "plain"}, "tuning": {"name": "full"},
    },
}  # fmt: skip
SCORES: dict[str, Any] = {
    "accuracy": 0.812345, "log_loss": 0.456789, "macro_f1": 0.798765, "mcc": None,
    "intervals": {"accuracy": [0.701234, 0.901235]}, "notes": [],
    "metrics": [["accuracy", "higher", 0.01, 0.0], ["macro_f1", "higher", 0.02, 0.0], ["mcc", "higher", None, -1.0]],
}  # fmt: skip
TRAINING: dict[str, Any] = {
    "steps": 4, "best_step": 4, "best_epoch": 2.0, "parameters": 1234, "learning_parameters": 1234, "tokens": 5678,
}  # fmt: skip
DATA: dict[str, Any] = {"train_rows": 8, "validation_rows": 2, "test_rows": 6, "classes": 2, "dropped_rows": 3}
SUMMARY: dict[str, Any] = {"dropped": {"train": {"duplicates": 3, "empty": 0}}}
TRACE = "step\tloss\tgrad_norm\tgradient\tchain\n1\t0.9\t1.0\tcd\tef\n2\t0.7\t1.0\tcd\tabab\n"
ENVIRONMENT: dict[str, Any] = {
    "finetune": {"packages": {"torch": "2.13.0"}, "processor": "A processor", "seconds": 9.5}
}
STEPS = "step\tepoch\tloss\tlr\tgrad_norm\n1\t0.5\t0.9\t0.001\t1.0\n2\t1.0\t0.7\t0.0005\t1.0\n"
VALIDATION = "step\tepoch\tloss\taccuracy\tmacro_f1\n1\t0.5\t0.8\t0.5\t0.4\n2\t1.0\t0.6\t0.75\t0.7\n"
RELIABILITY = "curve\tx\ty\tarea\nthis model\t0.6\t0.5\t\nthis model\t0.9\t1.0\t\nas confident as right\t0\t0\t\n"
BARS = "x\ty\nyes\t0.8571\nno\t0.8\n"
CONFUSION = (
    "actual\tpredicted\texamples\tshare\trow\tcolumn\n"
    "yes\tyes\t3\t0.75\t0\t0\nyes\tno\t1\t0.25\t0\t1\nno\tno\t2\t1.0\t1\t1\n"
)
WORST = "id\tactual\tpredicted\tdetail\ttext\n17\tyes\tno\t0.9877 against 0.0123\ta text that was mistaken\n"


class Project:
    """A repository in which a run has been made; `files` are what `write` puts there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.params = deepcopy(PARAMS)
        self.files: dict[str, str] = {
            "metrics/data.json": canonical_json(DATA),
            "metrics/finetune.json": canonical_json(TRAINING),
            "metrics/evaluate.json": canonical_json(SCORES),
            "metrics/environment.json": canonical_json(ENVIRONMENT),
            "metrics/finetune/steps.tsv": STEPS,
            "metrics/finetune/trace.tsv": TRACE,
            "metrics/finetune/validation.tsv": VALIDATION,
            "metrics/evaluate/matrix/confusion.tsv": CONFUSION,
            "metrics/evaluate/lines/accuracy_by_confidence.tsv": RELIABILITY,
            "metrics/evaluate/bars/f1_by_class.tsv": BARS,
            "data/clean/summary.json": canonical_json(SUMMARY),
            "data/predictions/worst.tsv": WORST,
        }

    def write(self) -> None:
        """Write the files, params.yaml, and the dvc.lock that records them."""
        for name, content in {
            **self.files,
            "params.yaml": yaml.safe_dump(self.params),
            "dvc.lock": self.lock(),
        }.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(content, encoding="utf-8")

    def lock(self) -> str:
        """Return a dvc.lock whose last stage has read all params and written all metrics."""
        stages: dict[str, Any] = {name: {"cmd": name} for name in STAGES}
        outs = [
            {"path": name, "md5": hashlib.md5(content.encode()).hexdigest()}
            for name, content in self.files.items() if name.startswith("metrics/") and "environment" not in name
        ]  # fmt: skip
        stages["evaluate"] |= {
            "deps": [{"path": "data/clean/test.parquet", "md5": "0" * 32}],
            "params": {"params.yaml": self.params},
            "outs": outs,
        }
        return yaml.safe_dump({"schema": "2.0", "stages": stages})

    def scores(self, **changes: Any) -> None:
        """Change scores of metrics/evaluate.json, from the next `write` on."""
        known = json.loads(self.files["metrics/evaluate.json"])
        self.files["metrics/evaluate.json"] = canonical_json({**known, **changes})

    def repository(self) -> None:
        """Make it a repository of Git and DVC."""
        (self.root / ".dvc").mkdir()
        (self.root / ".dvc/config").write_text("[core]\n    analytics = false\n")
        (self.root / ".gitignore").write_text("/data\n/report*\n/.dvc/tmp\n")
        names = [name for name in self.files if name.startswith("metrics/") and name.endswith(".json")]
        (self.root / "dvc.yaml").write_text(yaml.safe_dump({"metrics": sorted(names), "params": ["params.yaml"]}))
        self.git("init", "-q", "-b", "main")

    def commit(self) -> str:
        """Commit what lies there; return the commit."""
        self.git("add", "-A")
        self.git("commit", "-qm", "x")
        return self.git("rev-parse", "HEAD")

    def git(self, *arguments: str) -> str:
        """Run Git without the settings of whoever runs the tests."""
        who = {f"GIT_{role}_{what}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        clean = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(["git", "-C", self.root, *arguments], env=clean, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

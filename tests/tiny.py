"""A tiny BERT and token rows that it can learn in a few steps, for tests of what needs a model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from stages.core.files import write_json
from stages.core.tables import arrow_writer
from stages.repro import workers
from stages.repro.digests import of_folder

ROOT = Path(__file__).parent.parent
LABELS = ["a", "b", "c"]
CONFIG = {
    "model_type": "bert", "architectures": ["BertModel"], "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 24, "type_vocab_size": 2,
    "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "pad_token_id": 0, "initializer_range": 0.2,
}  # fmt: skip
SIZES = {"pad_token_id": 0, "vocab_size": 40, "max_length": 24}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(35))]


def model_folder(folder: Path, weights: bool = True) -> Path:
    """Make a base model: config, tokenizer and, if `weights`, drawn weights."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder.mkdir(parents=True)
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    if weights:
        torch.manual_seed(0)
        BertModel(BertConfig(**{k: v for k, v in CONFIG.items() if k != "architectures"})).save_pretrained(folder)
    write_json(folder / "config.json", CONFIG)
    return folder


def token_folder(folder: Path, rows: int = 64) -> Path:
    """Make a tokens folder: each row holds the word of its class among noise."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(1)
    for split, count in (("train", rows), ("validation", 20), ("test", 20)):
        labels = [i % 3 for i in range(count)]
        lists = [[2, *draw.integers(8, 40, draw.integers(1, 12)).tolist(), 5 + label, 3] for label in labels]
        table = pa.table(
            {
                "id": pa.array(range(count), pa.int64()),
                "example": pa.array(range(count), pa.int32()),
                "label": pa.array(labels, pa.int32()),
                "length": pa.array([len(row) for row in lists], pa.int32()),
                "input_ids": pa.array(lists, pa.list_(pa.int32())),
            }
        )
        with arrow_writer(folder / f"{split}.arrow", table.schema) as writer:
            writer.write_table(table)
    schema = {"input": {"name": "text"}, "target": {"name": "classes"}, "space": {"labels": LABELS}} | SIZES
    write_json(folder / "schema.json", schema)
    return folder


PARAMS = """\
seed: 1
seed_streams: {split: null, init: null, order: null, dropout: null, augment: null}
input: {name: text}
target: {name: classes}
model:
  init: pretrained
  head: new
  overrides: {}
  source: null
  teacher: null
train:
  epochs: 2
  batch_size: 12
  shard_size: 4
  lr: 1e-2
  schedule: linear
  warmup: 0.1
  weight_decay: 0.01
  betas: [0.9, 0.999]
  epsilon: 1e-8
  clip_norm: 1.0
  precision: float32
  objective: {name: plain}
  regularise: {name: none}
  class_weights: none
  tuning: {name: full}
  average: {name: none}
  evaluate_every: epoch
  early_stopping: null
  best_metric: loss
  checkpoint_every: 3
augmentation: {name: none}
"""


def clone(root: Path, **changes: str) -> Path:
    """Make a folder in which `python -m stages.finetune` can run; `changes` replace lines of PARAMS by their key."""
    model_folder(root / "models/base")
    token_folder(root / "data/tokens")
    (root / "stages").symlink_to(ROOT / "stages")
    set_params(root, **changes)
    return root


def set_params(root: Path, **changes: str) -> None:
    """Write PARAMS to the folder with the values of single keys exchanged."""
    lines = PARAMS.splitlines()
    for key, value in changes.items():
        places = [i for i, line in enumerate(lines) if line.strip().startswith(f"{key}:")]
        assert len(places) == 1, key
        head = lines[places[0]].split(":", 1)[0]
        lines[places[0]] = f"{head}: {value}"
    (root / "params.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def start(root: Path, module: str = "stages.finetune", **environment: str) -> subprocess.Popen[str]:
    """Start a stage in the folder."""
    return subprocess.Popen(
        [sys.executable, "-m", module], cwd=root, env={**os.environ, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(root: Path, module: str = "stages.finetune", **environment: str) -> tuple[int, str]:
    """Run a stage in the folder; return its exit code and what it said on standard error."""
    process = start(root, module, **environment)
    _, said = process.communicate(timeout=120)
    return process.returncode, said


def run_here(root: Path) -> None:
    """Run finetune in this process, as one worker, which saves the seconds that a new process imports for."""
    from stages.repro.determinism import pinned, settle
    from stages.repro.group import Alone

    before = dict(os.environ), Path.cwd()
    wanted = pinned(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    os.chdir(root)
    try:
        finetune_here(Alone(settle(0)))
    finally:
        os.environ.clear()
        os.environ.update(before[0])
        os.chdir(before[1])


def finetune_here(group: workers.Group) -> None:
    """Run finetune in the working folder as one of the workers of `group`."""
    from stages import finetune
    from stages.core.params import load

    targets = Path("models/finetuned"), Path("metrics/finetune.json"), Path("metrics/finetune")
    read = Path("data/tokens"), Path("models/base"), Path("models/teacher")
    finetune.finetune(load(finetune.Params), group, *read, *targets)


def outputs(root: Path) -> dict[str, Any]:
    """Return the digests of what finetune wrote, the environment left out."""
    found = {f"{top}/{k}": v for top in ("models/finetuned", "metrics") for k, v in of_folder(root / top).items()}
    found.pop("metrics/environment.json", None)
    return found

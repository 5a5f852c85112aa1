"""Base models of others, from texts to predictions: evaluate, predict and transformers' own pipeline say the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from stages.core.files import read_json, write_json
from stages.core.tables import write_parquet
from stages.inference import outputs, token_rows
from stages.models import load
from stages.predict import Task, predict
from stages.repro.group import Alone
from stages.scoring.classification import softmax
from stages.targets.classes.head import Head
from stages.tokenize import tokenize
from tests import test_architectures as architectures
from tests import tiny
from tests.encoding.test_saving import MARKS, bpe
from tests.test_tokenize import params

ROBERTA = {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True, "pad_token": "<pad>"}
BASES = {  # config, tokenizer_config.json, what pads
    "a decoder without a padding token": (
        {**architectures.DECODER, "model_type": "llama", "pad_token_id": None, "vocab_size": 400}, {}, "<unk>",
    ),
    "files that contradict each other": (
        {**architectures.ONE, "model_type": "roberta", "vocab_size": 400}, ROBERTA, "<pad>",
    ),
}  # fmt: skip
ALONE = Alone(torch.device("cpu"))


def texts(rows: int) -> list[str]:
    """Return texts of which some end in the end token."""
    draw = np.random.default_rng(rows)
    words = [[n % 3, *draw.integers(0, 8, draw.integers(1, 9))] for n in range(rows)]
    return [" ".join("abcdefgh"[i] for i in row) + " </s>" * (n % 2) for n, row in enumerate(words)]


@pytest.fixture(params=BASES)
def trained(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """Return a folder in which the stages ran from clean rows on, and the token that pads."""
    config, tokenizer_config, pad = BASES[request.param]
    root = tiny.clone(tmp_path / "run", epochs="1")
    folder, clean = root / "models/base", root / "data/clean"
    shutil.rmtree(folder)
    shutil.rmtree(root / "data/tokens")
    architectures.base(folder, config)
    bpe(prefix=False).save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {"eos_token": "</s>", "unk_token": "<unk>", **tokenizer_config})
    clean.mkdir()
    for split, rows in (("train", 36), ("validation", 12), ("test", 15)):
        labels = pa.array(np.arange(rows) % 3, pa.int32())
        table = {"id": pa.array(range(rows), pa.int64()), "text": texts(rows), "label": labels}
        write_parquet(clean / f"{split}.parquet", pa.table(table))
    write_json(clean / "schema.json", {"input": "text", "target": "classes", "space": {"labels": tiny.LABELS}})
    tokenize(params(16), clean, folder, root / "data/tokens", root / "metrics/t.json")
    tiny.run_here(root)
    return root, pad


def test_a_row_has_one_probability_everywhere(trained: tuple[Path, str]) -> None:
    from transformers import pipeline

    root, pad = trained
    saved, tokens = root / "models/finetuned", root / "data/tokens"
    number = MARKS.index(pad)
    assert read_json(tokens / "schema.json")["pad_token_id"] == number
    assert read_json(saved / "config.json")["pad_token_id"] == number
    head = Head({"labels": tiny.LABELS})
    rows: Any = token_rows(tokens / "test.arrow", number)
    evaluated = softmax(outputs(load(saved, head), rows, head, ALONE, "x"))
    test = pq.read_table(root / "data/clean/test.parquet")["text"].to_pylist()
    lines = [
        json.loads(line)["probabilities"] for line in predict(saved, Task.of(saved), ((t,) for t in test), 100, ALONE)
    ]
    predicted = np.array([[line[name] for name in tiny.LABELS] for line in lines], dtype=np.float32)
    assert predicted.tobytes() == evaluated.tobytes()
    whole: Any = pipeline("text-classification", model=str(saved), top_k=None, truncation=True)
    theirs = [{answer["label"]: answer["score"] for answer in row} for row in whole(test, batch_size=4)]
    np.testing.assert_allclose([[row[name] for name in tiny.LABELS] for row in theirs], evaluated, atol=1e-5)

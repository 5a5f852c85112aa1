"""The tokenize stage from clean rows to Arrow files, schema and counts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stages.core.errors import InputError
from stages.core.files import canonical_json, read_json, write_json
from stages.core.params import decode
from stages.core.tables import Rows, write_parquet
from stages.encoding import encoder
from stages.repro.digests import of_folder
from stages.tokenize import SPLITS, Params, preview, tokenize

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "files" / "smoke" / "model"
TASK = "input: {name: text}\ntarget: {name: classes}\n"
TABLE = pa.schema([("id", pa.int64()), ("text", pa.string()), ("label", pa.int32())])
TEXTS = ["the old gull sails", "rose ♥", "the memo prints near the lift and the clerk calls"]
Run = Callable[..., dict[str, Any]]


def params(max_length: int, pad_token: str | None = None) -> Params:
    """Return decoded params of texts and classes."""
    tree = {"input": {"name": "text"}, "target": {"name": "classes"}}
    return decode(Params, tree | {"tokenize": {"max_length": max_length, "pad_token": pad_token}}, {}, "params.yaml")


def write_clean(folder: Path, texts: Sequence[str]) -> None:
    """Write data/clean: every split with `texts`, ids from 100, labels 0, 1, 0, …"""
    folder.mkdir(parents=True, exist_ok=True)
    ids, labels = np.arange(100, 100 + len(texts)), np.arange(len(texts)) % 2
    for split in SPLITS:
        write_parquet(folder / f"{split}.parquet", pa.table([ids, texts, labels.astype(np.int32)], schema=TABLE))
    write_json(folder / "schema.json", {"input": "text", "target": "classes", "space": {"labels": ["a", "b"]}})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs the stage in tmp_path on `texts`."""

    def run(texts: Sequence[str] = TEXTS, max_length: int = 8) -> dict[str, Any]:
        write_clean(tmp_path / "clean", texts)
        return tokenize(
            params(max_length),
            tmp_path / "clean",
            MODEL,
            tmp_path / "tokens",
            tmp_path / "tokenize.json",
        )

    return run


def test_rows_are_cut_and_keep_id_and_label(run: Run, tmp_path: Path) -> None:
    run()
    words = {"the": 0, "old": 0, "gull": 0, "sails": 0, "rose": 0, "memo": 0, "prints": 0, "near": 0, "lift": 0}
    vocabulary = encoder.load_encoder(MODEL, 8).whole.get_vocab()
    the, old, gull, sails, rose, memo, prints, near, lift = (vocabulary[word] for word in words)
    table = Rows(tmp_path / "tokens" / "validation.arrow").table
    assert table.to_pydict() == {
        "id": [100, 101, 102],
        "example": [0, 1, 2],
        "length": [6, 4, 8],
        "input_ids": [[2, the, old, gull, sails, 3], [2, rose, 1, 3], [2, the, memo, prints, near, the, lift, 3]],
        "label": [0, 1, 0],
    }


def test_columns_have_the_stated_types(run: Run, tmp_path: Path) -> None:
    run()
    types = [(f.name, str(f.type)) for f in Rows(tmp_path / "tokens" / "train.arrow").table.schema]
    assert types == [
        ("id", "int64"), ("example", "int32"), ("length", "int32"), ("input_ids", "list<item: int32>"),
        ("label", "int32"),
    ]  # fmt: skip


def test_the_schema_says_what_later_stages_need(run: Run, tmp_path: Path) -> None:
    run()
    assert read_json(tmp_path / "tokens" / "schema.json") == {
        "input": {"name": "text"},
        "target": {"name": "classes"},
        "space": {"labels": ["a", "b"]},
        "pad_token_id": 0,
        "vocab_size": 290,
        "max_length": 8,
    }


def test_the_metrics_count_tokens_before_and_after_cutting(run: Run, tmp_path: Path) -> None:
    told = run()
    assert told["test"] == {
        "rows": 3,
        "windows": 3,
        "tokens": 18,
        "truncated": 1 / 3,
        "unknown": 1 / 16,
        "length": {"mean": 22 / 3, "max": 12, "p5": 4, "p25": 4, "p50": 6, "p75": 12, "p95": 12, "p99": 12},
    }
    assert (tmp_path / "tokens" / "summary.json").read_text() == canonical_json(told)
    assert read_json(tmp_path / "tokenize.json") == {"train_tokens": 18, "train_truncated": 1 / 3}


def test_a_text_of_nothing_the_tokenizer_sees_is_its_special_tokens(run: Run, tmp_path: Path) -> None:
    told = run(["\u200b"])
    assert Rows(tmp_path / "tokens" / "test.arrow").table["input_ids"].to_pylist() == [[2, 3]]
    assert told["test"]["unknown"] == 0.0


def test_many_rows_come_in_batches_of_one_size(run: Run, tmp_path: Path) -> None:
    run([f"gull {n % 10}" for n in range(20_001)])
    rows = Rows(tmp_path / "tokens" / "train.arrow")
    assert [len(chunk) for chunk in rows.table.column("id").chunks] == [10_000, 10_000, 1]
    assert rows.lists("input_ids", np.array([20_000, 9_999]))[0].tolist() == [2, *_ids("gull 0"), 3]


def _ids(text: str) -> list[int]:
    return list(encoder.load_encoder(MODEL, 8).whole.encode(text, add_special_tokens=False).ids)


def test_bytes_do_not_depend_on_how_many_texts_go_together(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    before = of_folder(tmp_path)
    monkeypatch.setattr(encoder, "_CHARACTERS", 1)
    run()
    assert of_folder(tmp_path) == before


@pytest.mark.parametrize(("asked", "number", "note"), [
    (None, 1, "tokenize: the model has no padding token: '[UNK]' (id 1) pads in its place\n"),
    ("[MASK]", 4, ""),
])  # fmt: skip
def test_what_pads_a_model_without_a_padding_token_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: str | None, number: int, note: str
) -> None:
    write_clean(tmp_path / "clean", TEXTS)
    base = Path(shutil.copytree(MODEL, tmp_path / "base"))
    for name, key in (("config.json", "pad_token_id"), ("tokenizer_config.json", "pad_token")):
        write_json(base / name, {k: v for k, v in read_json(base / name).items() if k != key})
    tokenize(params(8, asked), tmp_path / "clean", base, tmp_path / "tokens", tmp_path / "tokenize.json")
    assert read_json(tmp_path / "tokens/schema.json")["pad_token_id"] == number
    assert capsys.readouterr().out == note


def test_a_refusal_leaves_the_outputs_as_they_were(run: Run, tmp_path: Path) -> None:
    run()
    before = of_folder(tmp_path)
    with pytest.raises(InputError, match=r"tokenize.max_length: found 65"):
        run(max_length=65)
    assert of_folder(tmp_path) == before


def test_a_missing_split_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    write_clean(tmp_path / "clean", TEXTS)
    (tmp_path / "clean" / "test.parquet").unlink()
    with pytest.raises(InputError, match=r"test.parquet: no such file"):
        tokenize(
            params(8),
            tmp_path / "clean",
            MODEL,
            tmp_path / "tokens",
            tmp_path / "tokenize.json",
        )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clean"]


def command(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the stage's command in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "stages.tokenize"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"} | environment,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder that holds what the command reads."""
    write_clean(tmp_path / "data" / "clean", TEXTS * 500)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "base").symlink_to(MODEL)
    (tmp_path / "params.yaml").write_text(TASK + "tokenize:\n  max_length: 8\n  pad_token: null\n")
    return tmp_path


def test_the_command_gives_the_same_bytes_with_one_thread_and_with_many(project: Path) -> None:
    digests = []
    for threads in ("false", "true"):
        done = command(project, TOKENIZERS_PARALLELISM=threads, PYTHONHASHSEED=str(len(threads)))
        assert done.stdout.splitlines()[0] == "tokenize: train: 1,500 rows, 9,000 tokens, 33.3% of the examples cut"
        digests.append(of_folder(project / "data" / "tokens") | of_folder(project / "metrics"))
    assert digests[0] == digests[1]


def test_a_length_beyond_the_model_ends_with_code_2_and_one_line(project: Path) -> None:
    (project / "params.yaml").write_text(TASK + "tokenize:\n  max_length: 1000\n  pad_token: null\n")
    done = command(project)
    message = "tokenize: error: tokenize.max_length: found 1000, wanted at most the model's 64 positions\n"
    assert (done.returncode, done.stderr, (project / "data" / "tokens").exists()) == (2, message, False)


def test_run_as_a_script_it_says_how_to_run_it() -> None:
    done = subprocess.run([sys.executable, ROOT / "stages" / "tokenize.py"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "run me as: python -m stages.tokenize\n")


def test_it_needs_no_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from stages.tokenize import load_encoder\n"
        "list(load_encoder(Path('files/smoke/model'), 8).texts(['a']))\n"
        "print(sorted({'torch', 'transformers', 'datasets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_preview_marks_what_is_learnt(tmp_path: Path) -> None:
    tree = chat_params()
    clean = chat_rows(tmp_path, ["hi", "where is the rose and the tulip?"])
    lines = list(preview(decode(Params, tree, {}, "params.yaml"), 2, clean, ROOT / "files/chat/model"))
    assert lines[:2] == [
        "row 0: ",
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n[[ho<|im_end|>\n]]",
    ]
    assert lines[2].startswith("row 1: ")
    assert lines[2].endswith("tokens, too long: left out")
    assert len(lines) == 3


def test_rows_that_are_too_long_are_counted(tmp_path: Path) -> None:
    clean = chat_rows(tmp_path, ["hi", "where is the rose and the tulip?"])
    said = decode(Params, chat_params(), {}, "params.yaml")
    found = tokenize(said, clean, ROOT / "files/chat/model", tmp_path / "tokens", tmp_path / "tokenize.json")
    assert (found["train"]["left_out"], found["train"]["windows"], found["train"]["rows"]) == (1, 1, 2)
    assert read_json(tmp_path / "tokens/schema.json")["left_out"] == 1
    assert pa.ipc.open_file(tmp_path / "tokens/test.arrow").read_all()["example"].to_pylist() == [0]
    long = chat_rows(tmp_path / "long", ["where is the rose and the tulip?"])
    with pytest.raises(InputError, match=r"train.parquet: every row has more than tokenize.max_length 24 tokens"):
        tokenize(said, long, ROOT / "files/chat/model", tmp_path / "tokens", tmp_path / "tokenize.json")


def chat_params() -> dict[str, Any]:
    return {
        "input": {"name": "chat"}, "target": {"name": "next"}, "tokenize": {"max_length": 24, "pad_token": None},
    }  # fmt: skip


def chat_rows(root: Path, prompts: list[str]) -> Path:
    clean = root / "clean"
    clean.mkdir(parents=True)
    columns = {"id": list(range(len(prompts))), "prompt": prompts, "response": ["ho"] * len(prompts)}
    for split in ("train", "validation", "test"):
        write_parquet(clean / f"{split}.parquet", pa.table(columns))
    write_json(clean / "schema.json", {"input": "chat", "target": "next", "space": {}})
    return clean

"""Predictions are those of evaluate to the bit; whatever the format, in order, as a stream."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages import predict
from stages.core.errors import InputError
from stages.core.files import read_json, write_json
from stages.core.params import decode
from stages.core.tables import write_parquet
from stages.formats.jsonl import Jsonl
from stages.predicting.reading import Reading
from stages.repro.workers import Group
from stages.tokenize import Params, tokenize
from tests import tiny

ROWS = 70  # three shards of inference, the last of six rows
TASK = {"input": {"name": "text"}, "target": {"name": "classes"}}
EVALUATE = "evaluate: {bootstrap: 100, bootstrap_seed: 0, calibration_bins: 5, worst: 0}\n"


def texts_of(rows: int, seed: int) -> list[str]:
    draw = np.random.default_rng(seed)
    return [" ".join(f"w{n}" for n in [i % 3, *draw.integers(3, 35, draw.integers(1, 20))]) for i in range(rows)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the pipeline ran from clean rows to the predictions of the test rows."""
    root = tiny.clone(tmp_path_factory.mktemp("predict") / "run", epochs="1")
    clean = root / "data/clean"
    clean.mkdir()
    for seed, (split, rows) in enumerate({"train": 60, "validation": 20, "test": ROWS}.items()):
        table = {"id": pa.array(range(rows), pa.int64()), "text": texts_of(rows, seed)}
        write_parquet(
            clean / f"{split}.parquet", pa.table({**table, "label": pa.array(np.arange(rows) % 3, pa.int32())})
        )
    write_json(clean / "schema.json", {"input": "text", "target": "classes", "space": {"labels": tiny.LABELS}})
    shutil.rmtree(root / "data/tokens")
    tokenize(
        decode(Params, TASK | {"tokenize": {"max_length": 16, "pad_token": None}}, {}, "params.yaml"),
        clean,
        root / "models/base",
        root / "data/tokens",
        root / "metrics/tokenize.json",
    )
    tiny.run_here(root)
    with root.joinpath("params.yaml").open("a") as params:
        params.write(EVALUATE)
    code, said = tiny.run(root, "stages.evaluate", REPRISE_WORKERS="2")
    assert code == 0, said
    return root


@pytest.fixture(scope="module")
def texts(root: Path) -> list[str]:
    return list(pq.read_table(root / "data/clean/test.parquet")["text"].to_pylist())


@pytest.fixture(scope="module")
def group() -> Group:
    import torch

    from stages.repro.group import Alone

    return Alone(torch.device("cpu"))


@pytest.fixture(scope="module")
def piped(root: Path) -> bytes:
    """Return what the command writes for the test rows, which it reads as Parquet from a pipe given as a file."""
    words = f"{sys.executable} -m stages.predict --format parquet <(cat)"
    content = (root / "data/clean/test.parquet").read_bytes()
    done = subprocess.run(["bash", "-c", words], cwd=root, input=content, capture_output=True)
    assert (done.returncode, done.stderr) == (0, f"predict: {ROWS} rows\n".encode())
    return done.stdout


def test_the_test_rows_have_the_bits_of_evaluate(root: Path, piped: bytes) -> None:
    wanted = pq.read_table(root / "data/predictions/test.parquet").to_pylist()
    found = [json.loads(line) for line in piped.splitlines()]
    assert [one["label"] for one in found] == [row["prediction"] for row in wanted]
    assert [one["probabilities"] for one in found] == [{n: row[f"p_{n}"] for n in tiny.LABELS} for row in wanted]


def test_a_line_is_canonical_json(piped: bytes) -> None:
    for line in piped.decode().splitlines():
        assert line == json.dumps(json.loads(line), sort_keys=True)


def predicted(folder: Path, texts: Iterator[str], window: int, group: Group) -> Iterator[str]:
    return predict.predict(folder, predict.Task.of(folder), ((text,) for text in texts), window, group)


def probabilities(root: Path, texts: list[str], window: int, group: Group) -> np.ndarray:
    found = predicted(root / "models/finetuned", iter(texts), window, group)
    return np.array([list(json.loads(line)["probabilities"].values()) for line in found])


def test_what_the_neighbours_say_does_not_matter(root: Path, texts: list[str], group: Group) -> None:
    """Only their lengths do: rows of even number keep their bits when all others change their words."""
    others = [text if i % 2 == 0 else re.sub(r"\d+", "7", text) for i, text in enumerate(texts)]
    assert others[1] != texts[1]
    found, wanted = (probabilities(root, each, ROWS, group) for each in (others, texts))
    assert found[::2].tobytes() == wanted[::2].tobytes()


def test_another_order_gives_nearly_the_same(root: Path, texts: list[str], group: Group) -> None:
    order = np.random.default_rng(0).permutation(ROWS)
    mixed = probabilities(root, [texts[index] for index in order], ROWS, group)
    np.testing.assert_allclose(mixed, probabilities(root, texts, ROWS, group)[order], rtol=1e-4, atol=1e-6)


def test_another_window_gives_nearly_the_same(root: Path, texts: list[str], group: Group) -> None:
    straight = probabilities(root, texts, ROWS, group)
    for window in (1, 7, 64):
        np.testing.assert_allclose(probabilities(root, texts, window, group), straight, rtol=1e-4, atol=1e-6)


def test_windows_are_written_before_the_next_is_read(root: Path, group: Group) -> None:
    read = []

    def endless() -> Iterator[str]:
        for number in range(1_000_000_000):
            read.append(number)
            yield f"w{number % 35}"

    found = predicted(root / "models/finetuned", endless(), 4, group)
    for line in range(9):
        next(found)
        assert len(read) == 4 * (line // 4 + 1)


def test_long_texts_are_held_a_few_at_a_time() -> None:
    long = "x" * 400_000
    parts = predict._parts(iter([(long,)] * 5))
    assert [len(part) for part in parts] == [2, 2, 1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing.csv",), "predict: error: nothing.csv: no such file\n"),
        (("x" * 5000,), f"predict: error: {'x' * 99}…: File name too long\n"),
        (("data", "--format", "csv"), "predict: error: data: a folder, wanted a file\n"),
        (("params.yaml", "--format", "folders"), "predict: error: params.yaml: a file, wanted a folder\n"),
        (("--window", "0"), "argument --window: found '0', wanted a whole number from 1 to 1,000,000,000\n"),
        (
            ("--window", "1" + "0" * 20),
            "argument --window: found '100000000000000000000', wanted a whole number from 1 to",
        ),
        (("--window", "1.5"), "argument --window: found '1.5', wanted a whole number from 1 to 1,000,000,000\n"),
        (("--encoding", "utf-9"), "argument --encoding: unknown text encoding 'utf-9' (nearest: 'utf-8', 'utf-16')\n"),
        (
            ("params.yaml", "--format", "text", "--column", "x"),
            "predict: error: --column: params.yaml is read as lines",
        ),
    ],
)
def test_what_cannot_be_read_ends_with_one_message(
    root: Path, arguments: tuple[str, ...], said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["predict", *arguments])
    with pytest.raises(SystemExit) as ended:
        predict.main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err.splitlines(keepends=True)[-1]


def test_a_broken_row_after_whole_windows_leaves_those_written(root: Path, group: Group, tmp_path: Path) -> None:
    path, written = tmp_path / "a.jsonl", []
    path.write_text('{"text": "w1"}\n' * 5 + "{\n")
    with pytest.raises(InputError, match=r"a\.jsonl, line 6: not JSON"):
        example = predict.Task.of(root / "models/finetuned").example
        examples = Reading(Jsonl(), "utf-8", example, {"text": "text"}).examples(path)
        written.extend(predicted(root / "models/finetuned", (text for (text,) in examples), 2, group))
    assert len(written) == 4


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "config.json",
            {"model_type": "bert"},
            "config.json: its classes are LABEL_0, LABEL_1, those of the data a",
        ),
        ("config.json", {"id2label": [1], "model_type": "bert"}, "config.json: "),
        ("task.json", {}, "task.json: space: wanted what answers there are"),
        (
            "task.json",
            {"space": {}, "input": {"name": "txt"}},
            r"task.json: input.name: unknown name 'txt' \(nearest: 'text'\)",
        ),
        (
            "task.json",
            {"space": {}, "input": {"name": "text"}, "target": 3},
            "task.json: target: found 3, wanted a mapping",
        ),
        ("config.json", [], "config.json: found a list, wanted a JSON object"),
        ("config.json", {"id2label": {"0": "a"}, "model_type": []}, r"config.json: model_type: found \[\], wanted the"),
        ("tokenizer_config.json", {}, "tokenizer_config.json: no model_max_length, wanted what finetune saved"),
        ("tokenizer_config.json", [], "tokenizer_config.json: found a list, wanted a JSON object"),
    ],
)
def test_a_folder_without_a_fine_tuned_model_is_refused(
    root: Path, group: Group, tmp_path: Path, name: str, content: object, said: str
) -> None:
    folder = Path(shutil.copytree(root / "models/finetuned", tmp_path / "model"))
    write_json(folder / name, content)
    with pytest.raises(InputError, match=said):
        next(predicted(folder, iter(["w1"]), 1, group))


@pytest.mark.parametrize("change", [{"return_dict": None}, {"chunk_size_feed_forward": "x"}])
def test_a_model_that_cannot_compute_is_one_message(
    root: Path, group: Group, tmp_path: Path, change: dict[str, object]
) -> None:
    folder = Path(shutil.copytree(root / "models/finetuned", tmp_path / "model"))
    write_json(folder / "config.json", {**read_json(folder / "config.json"), **change})
    with pytest.raises(InputError, match=r"^predict: rows from 1: the model cannot compute: "):
        next(predicted(folder, iter(["w1"]), 1, group))


def test_code_in_the_folder_is_not_run_whoever_says_yes(root: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(root / "models/finetuned", tmp_path / "model"))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    lures = dict.fromkeys(("AutoConfig", "AutoModel", "AutoModelForSequenceClassification"), "evil.E")
    for name, lure in (("config.json", lures), ("tokenizer_config.json", {"AutoTokenizer": ["evil.E", "evil.E"]})):
        write_json(folder / name, {**read_json(folder / name), "auto_map": lure})
    (folder / "chat_template.jinja").write_text("{{ 1 / 0 }}")
    words = f"yes y | head -n {ROWS} | {sys.executable} -m stages.predict --model {folder}"
    done = subprocess.run(["bash", "-c", words], cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, ROWS, f"predict: {ROWS} rows\n")
    assert not (tmp_path / "ran").exists()


def test_a_text_without_tokens_is_refused(root: Path, group: Group) -> None:
    texts = iter(["w1", "w2", "w3", "w4", ""])
    with pytest.raises(InputError, match=r"^text 5 has no token, and the model knows no special ones: leave it out$"):
        list(predicted(root / "models/finetuned", texts, 2, group))


def test_a_reader_that_leaves_ends_it_quietly(root: Path) -> None:
    words = f"seq 100000 | {sys.executable} -m stages.predict --window 100 | head -n 1 | wc -l"
    done = subprocess.run(["bash", "-c", words], cwd=root, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("1", "")


def test_a_closed_standard_output_is_one_message(root: Path) -> None:
    words = f"echo w1 | {sys.executable} -m stages.predict >&-"
    done = subprocess.run(["bash", "-c", words], cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("predict: error: standard output is closed")


def test_torch_is_not_imported_for_what_cannot_be_read() -> None:
    code = "import sys, stages.predict; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tiny.ROOT).returncode == 0


def test_as_a_script_it_says_how_to_run_it() -> None:
    done = subprocess.run([sys.executable, tiny.ROOT / "stages/predict.py"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "run me as: python -m stages.predict\n")

"""The evaluate stage on a tiny random BERT and 40 rows: what it writes, and what it refuses."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.core import files
from stages.core.errors import InputError
from stages.core.params import decode, dvc_keys
from stages.core.tables import arrow_writer, write_parquet
from stages.evaluate import Params, evaluate
from stages.repro import digests
from stages.repro.workers import Group
from stages.scoring.classification import Judged
from stages.scoring.report import Options
from stages.targets.classes.report import report

LABELS = ["acq", "crude", "earn"]
ROWS = 40
TREE = {
    "input": {"name": "text"},
    "target": {"name": "classes"},
    "evaluate": {"bootstrap": 100, "bootstrap_seed": 0, "calibration_bins": 10, "worst": 5},
}


def params(**changes: int) -> Params:
    """Return decoded params with changes of the section `evaluate`."""
    return decode(Params, TREE | {"evaluate": {**TREE["evaluate"], **changes}}, {}, "params.yaml")


OPTIONS = params()


def clean_table(ids: list[int]) -> pa.Table:
    texts = [f"text  number\t{i}\nof the clean split " + "x" * (400 * (i % 2)) for i in ids]
    return pa.table({"id": pa.array(ids, pa.int64()), "text": texts, "label": [LABELS[i % 3] for i in ids]})


@pytest.fixture(scope="module")
def group() -> Group:
    import torch

    from stages.repro.group import Alone

    return Alone(torch.device("cpu"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a saved model, tokens and clean rows; tests copy it."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    root = tmp_path_factory.mktemp("built")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16, initializer_range=1.0, id2label=dict(enumerate(LABELS)),
        label2id={name: i for i, name in enumerate(LABELS)},
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(root / "models/finetuned")
    files.write_json(root / "models/finetuned/task.json", {"space": {"labels": LABELS}})
    tokens, clean = root / "data/tokens", root / "data/clean"
    tokens.mkdir(parents=True)
    clean.mkdir()
    schema = {"input": "text", "target": "classes", "space": {"labels": LABELS}}
    sizes = {"pad_token_id": 0, "vocab_size": 50, "max_length": 16}
    files.write_json(tokens / "schema.json", schema | sizes)
    draw = np.random.default_rng(0)
    ids = [7 * i for i in range(ROWS)]
    lists = [draw.integers(1, 50, draw.integers(3, 16)).tolist() for _ in ids]
    table = pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "example": pa.array(range(ROWS), pa.int32()),
            "label": pa.array([i % 3 for i in ids], pa.int32()),
            "length": pa.array([len(row) for row in lists], pa.int32()),
            "input_ids": pa.array(lists, pa.list_(pa.int32())),
        }
    )
    with arrow_writer(tokens / "test.arrow", table.schema) as writer:
        writer.write_table(table)
    write_parquet(clean / "test.parquet", clean_table(ids))
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "run"))


@pytest.fixture(scope="module")
def done(built: Path, tmp_path_factory: pytest.TempPathFactory, group: Group) -> Path:
    """Return a folder in which the stage has run."""
    root = Path(shutil.copytree(built, tmp_path_factory.mktemp("done") / "run"))
    evaluate(OPTIONS, group, root)
    return root


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def outputs_of(root: Path) -> dict[str, str]:
    return {
        **{f"metrics/{k}": v for k, v in digests.of_folder(root / "metrics").items()},
        **{f"data/predictions/{k}": v for k, v in digests.of_folder(root / "data/predictions").items()},
    }


def test_every_output_is_written(done: Path) -> None:
    assert sorted(outputs_of(done)) == [
        "data/predictions/report.txt",
        "data/predictions/scores.json",
        "data/predictions/test.parquet",
        "data/predictions/worst.tsv",
        "metrics/evaluate.json",
        "metrics/evaluate/bars/f1_by_class.tsv",
        "metrics/evaluate/lines/accuracy_by_confidence.tsv",
        "metrics/evaluate/lines/precision_by_recall.tsv",
        "metrics/evaluate/lines/true_positive_rate_by_false_positive_rate.tsv",
        "metrics/evaluate/matrix/confusion.tsv",
    ]


def test_the_same_inputs_give_the_same_bytes(done: Path, root: Path, group: Group) -> None:
    evaluate(OPTIONS, group, root)
    assert outputs_of(root) == outputs_of(done)


def test_the_scores_follow_from_the_predictions_file(done: Path) -> None:
    table = pq.read_table(done / "data/predictions/test.parquet").to_pydict()
    probabilities = np.array([table[f"p_{name}"] for name in LABELS], np.float32).T
    labels = np.array([LABELS.index(name) for name in table["label"]])
    said = report(Judged(labels, probabilities), (), {"labels": LABELS}, Options(10, 100, 0))
    assert json.loads((done / "data/predictions/scores.json").read_text()) == said.scores
    metrics = json.loads((done / "metrics/evaluate.json").read_text())
    assert metrics == {k: v for k, v in said.scores.items() if k not in ("averages", "examples", "per_class")}
    assert (done / "data/predictions/report.txt").read_text() == said.text


def test_the_report_is_printed(root: Path, group: Group, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(OPTIONS, group, root)
    assert capsys.readouterr().out == (root / "data/predictions/report.txt").read_text()


def test_predictions_keep_the_order_and_types_of_the_rows(done: Path) -> None:
    table = pq.read_table(done / "data/predictions/test.parquet")
    assert [(f.name, str(f.type)) for f in table.schema] == [
        ("id", "int64"), ("label", "string"), ("prediction", "string"),
        ("p_acq", "float"), ("p_crude", "float"), ("p_earn", "float"),
    ]  # fmt: skip
    assert table["id"].to_pylist() == [7 * i for i in range(ROWS)]
    for row in table.to_pylist():
        assert row[f"p_{row['prediction']}"] == max(row[f"p_{name}"] for name in LABELS)


def test_worst_errors_are_wrong_and_the_most_confident_come_first(done: Path) -> None:
    worst = rows_of(done / "data/predictions/worst.tsv")
    assert len(worst) == 5
    assert all(row["actual"] != row["predicted"] for row in worst)
    confidences = [float(row["detail"].split(" against ")[0]) for row in worst]
    assert confidences == sorted(confidences, reverse=True)


def test_worst_errors_show_the_text_of_their_own_row_on_one_line(done: Path) -> None:
    for row in rows_of(done / "data/predictions/worst.tsv"):
        assert row["text"].startswith(f"text number {row['id']} of the clean split")
        assert len(row["text"]) <= 300
        assert row["text"].endswith("…") == bool(int(row["id"]) % 2)


def test_worst_may_be_none(root: Path, group: Group) -> None:
    evaluate(params(worst=0), group, root)
    assert rows_of(root / "data/predictions/worst.tsv") == []


def test_numbers_in_metrics_have_at_most_six_decimals(done: Path) -> None:
    for row in rows_of(done / "metrics/evaluate/lines/accuracy_by_confidence.tsv"):
        for name in ("x", "y"):
            assert float(row[name]) == round(float(row[name]), 6)


@pytest.mark.parametrize("change", ["order", "missing"])
def test_rows_that_differ_from_the_tokens_are_refused(root: Path, group: Group, change: str) -> None:
    ids = [7 * i for i in range(ROWS)]
    write_parquet(root / "data/clean/test.parquet", clean_table(ids[::-1] if change == "order" else ids[:-1]))
    with pytest.raises(InputError, match=r"test\.parquet: .*run tokenize again"):
        evaluate(OPTIONS, group, root)
    assert not (root / "metrics").exists()


def test_labels_of_another_model_are_refused(root: Path, group: Group) -> None:
    path = root / "data/tokens/schema.json"
    files.write_json(path, {**json.loads(path.read_text()), "space": {"labels": ["acq", "earn", "crude"]}})
    with pytest.raises(InputError, match=r"its classes are acq, crude, earn, those of the data acq, earn, crude"):
        evaluate(OPTIONS, group, root)


def test_a_model_that_diverged_is_refused(root: Path, group: Group) -> None:
    from safetensors.numpy import load_file, save_file

    path = root / "models/finetuned/model.safetensors"
    weights = load_file(path)
    weights["classifier.bias"] = np.full(3, np.nan, np.float32)
    path.unlink()
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match="not finite"):
        evaluate(OPTIONS, group, root)
    assert not (root / "metrics").exists()


def test_a_model_folder_without_config_is_refused(root: Path, group: Group) -> None:
    (root / "models/finetuned/config.json").unlink()
    with pytest.raises(InputError, match=r"models/finetuned: a model folder without config.json"):
        evaluate(OPTIONS, group, root)


def test_test_rows_must_exist(root: Path, group: Group) -> None:
    import pyarrow.ipc

    path = root / "data/tokens/test.arrow"
    with pyarrow.ipc.open_file(path) as file:
        schema = file.schema
    with arrow_writer(path, schema) as writer:
        writer.write_table(schema.empty_table())
    with pytest.raises(InputError, match="no rows to score"):
        evaluate(OPTIONS, group, root)


def test_a_full_disk_leaves_the_former_outputs(
    done: Path, tmp_path: Path, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(shutil.copytree(done, tmp_path / "run"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stages.evaluate.write_parquet", full)
    with pytest.raises(InputError, match="No space left on device"):
        evaluate(params(bootstrap_seed=1), group, root)
    assert outputs_of(root) == outputs_of(done)


def test_other_workers_write_nothing(root: Path, group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "rank", 1)
    monkeypatch.setattr("stages.inference.outputs", lambda *_: np.zeros((ROWS, 3), np.float32))
    evaluate(OPTIONS, group, root)
    assert not (root / "metrics").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [("bootstrap", 99), ("bootstrap_seed", -1), ("calibration_bins", 1), ("worst", -1), ("worst", 2.5)],
)
def test_values_out_of_range_are_refused(key: str, value: float) -> None:
    with pytest.raises(InputError, match=f"evaluate.{key}: found {value}"):
        params(**{key: value})


def test_the_stage_depends_on_these_sections_alone() -> None:
    assert dvc_keys(Params) == ["evaluate", "input", "target"]


def test_as_a_script_it_says_how_to_run_it() -> None:
    script = Path(__file__).parents[1] / "stages/evaluate.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "run me as: python -m stages.evaluate\n")

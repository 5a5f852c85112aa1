"""Distances between models, predictions and scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from stages.core.files import write_json
from stages.verification import numbers
from stages.verification.records import Predictions, Score, Weights


def model(path: Path, **tensors: list[float]) -> Path:
    save_file({name: np.array(values, np.float32) for name, values in tensors.items()}, path)
    return path


def table(path: Path, **columns: list[object]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_weights(tmp_path: Path) -> None:
    old = model(tmp_path / "a", one=[1.0, 2.0], two=[0.5], three=[3.0])
    new = model(tmp_path / "b", one=[np.nextafter(np.float32(1), np.float32(2)), 2.0], two=[0.75], three=[3.0])
    assert numbers.weights(old, new) == Weights(
        tensors=3, equal=1, largest=0.25, tensor="two", first_tensor="one", ulp=1 << 22
    )


def test_units_in_the_last_place_are_those_of_the_largest_difference(tmp_path: Path) -> None:
    old, new = model(tmp_path / "a", one=[1e-20, 1.0]), model(tmp_path / "b", one=[-1e-20, 1.5])
    found = numbers.weights(old, new)
    assert found is not None
    assert (found.largest, found.ulp) == (0.5, 1 << 22)


def test_equal_weights_are_measured_as_equal(tmp_path: Path) -> None:
    found = numbers.weights(model(tmp_path / "a", one=[1.0]), model(tmp_path / "b", one=[1.0]))
    assert found == Weights(tensors=1, equal=1, largest=0.0, tensor=None, first_tensor=None, ulp=0)


def test_models_of_other_shapes_have_no_distance(tmp_path: Path) -> None:
    assert numbers.weights(model(tmp_path / "a", one=[1.0]), model(tmp_path / "b", one=[1.0, 2.0])) is None


def test_a_weight_that_is_no_number_is_as_far_as_can_be(tmp_path: Path) -> None:
    found = numbers.weights(model(tmp_path / "a", one=[1.0]), model(tmp_path / "b", one=[float("nan")]))
    assert found is not None
    assert found.largest == numbers.LARGEST


def test_predictions(tmp_path: Path) -> None:
    old = table(tmp_path / "a", id=[1, 2], prediction=["x", "y"], p_x=[0.75, 0.25], p_y=[0.25, 0.75])
    new = table(tmp_path / "b", id=[1, 2], prediction=["x", "x"], p_x=[0.75, 0.5], p_y=[0.25, 0.5])
    assert numbers.predictions(old, new) == Predictions(rows=2, agreeing=1, largest=0.25)


def test_predictions_of_other_rows_are_not_compared(tmp_path: Path) -> None:
    old, new = (table(tmp_path / name, id=ids, prediction=["x", "y"]) for name, ids in (("a", [1, 2]), ("b", [1, 3])))
    assert numbers.predictions(old, new) is None


def test_scores_are_the_numbers_at_the_top(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"accuracy": 0.5, "examples": 7, "intervals": {"accuracy": [0, 1]}, "roc_auc": None})
    write_json(tmp_path / "b", {"accuracy": 0.25})
    assert numbers.compared(tmp_path / "a", tmp_path / "b") == {
        "accuracy": Score(reference=0.5, derived=0.25),
        "roc_auc": Score(reference=None, derived=None),
    }


@pytest.mark.parametrize(
    ("found", "expected"),
    [({"a": 1.0, "b": 2.0}, {"a": 1.0}), ({"b": 2.0}, None), ({"a": None}, None), ({"a": float("nan")}, None)],
)
def test_a_run_without_a_score_has_no_result(found: dict[str, float | None], expected: dict[str, float] | None) -> None:
    assert numbers.finite(found, ["a"]) == expected

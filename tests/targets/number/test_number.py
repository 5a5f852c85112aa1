"""Numbers: correlations and errors as SciPy has them, their intervals, and what is undefined."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stages.core.errors import InputError
from stages.scoring.bootstrap import intervals
from stages.scoring.report import Options
from stages.targets.number.data import Number
from stages.targets.number.metrics import METRICS, Judged
from stages.targets.number.report import METRICS as ALL
from stages.targets.number.report import render, report, table, worst, wrong

OPTIONS = Options(5, 100, 0)


def drawn(rows: int, seed: int = 0) -> Judged:
    draw = np.random.default_rng(seed)
    truth = draw.integers(2, 11, rows) / 2  # with ties, as ratings have
    return Judged(truth, (truth + draw.normal(0, 0.7, rows)).astype(np.float32))


def test_scores_are_those_of_scipy() -> None:
    judged = drawn(200)
    guess = judged.guess.astype(float)
    said = report(judged, (), {}, OPTIONS).scores
    assert said["pearson"] == pytest.approx(stats.pearsonr(judged.truth, guess)[0], abs=1e-6)
    assert said["spearman"] == pytest.approx(stats.spearmanr(judged.truth, guess)[0], abs=1e-6)
    assert said["rmse"] == pytest.approx(np.sqrt(((guess - judged.truth) ** 2).mean()), abs=1e-6)
    assert said["mae"] == pytest.approx(np.abs(guess - judged.truth).mean(), abs=1e-6)
    assert METRICS["loss"].compute(judged) == pytest.approx(said["rmse"] ** 2, abs=1e-5)
    assert list(METRICS)[-1] == "pearson"


def test_each_resample_is_scored_as_scipy_would() -> None:
    judged = drawn(40)
    draw = np.random.Generator(np.random.PCG64(3)).integers(0, 40, size=(100, 40))
    guess = judged.guess.astype(float)
    wanted = {
        "pearson": [stats.pearsonr(judged.truth[d], guess[d])[0] for d in draw],
        "spearman": [stats.spearmanr(judged.truth[d], guess[d])[0] for d in draw],
    }
    found = intervals(judged, ALL, 100, 3)
    for name, values in wanted.items():
        assert found[name] == pytest.approx(tuple(np.quantile(values, (0.025, 0.975))), abs=1e-9)


def test_what_does_not_vary_has_no_correlation() -> None:
    said = report(Judged(np.array([1.0, 2.0]), np.array([3, 3], np.float32)), (), {}, OPTIONS).scores
    assert (said["pearson"], said["spearman"], said["rmse"]) == (None, None, pytest.approx(1.581139))
    assert said["notes"] == ["all numbers of the model are the same: correlations are undefined"]
    assert sorted(said["intervals"]) == ["mae", "rmse"]


def test_a_large_common_part_does_not_drown_the_correlation() -> None:
    judged = Judged(np.array([1e9 + 1, 1e9 + 2, 1e9 + 3]), np.array([1, 2, 4], np.float32))
    assert METRICS["pearson"].compute(judged) == pytest.approx(stats.pearsonr([1, 2, 3], [1, 2, 4])[0])


def test_the_worst_are_the_furthest_off() -> None:
    judged = Judged(np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.5, 3.25], np.float32))
    assert worst(judged, {}, 5) == [1, 2]
    said = wrong(judged, 1, {}, ("a",))
    assert (said.actual, said.predicted, said.detail) == ("2", "0.5000", "-1.5000")
    assert render(judged, 2, {}, ("a",)) == {"number": 3.25}
    assert table(np.array([1, 2, 3]), judged, (), {}).to_pydict() == {
        "id": [1, 2, 3], "number": [1.0, 2.0, 3.0], "prediction": [1.0, 0.5, 3.25],
    }  # fmt: skip


def test_plots_are_by_form() -> None:
    tables = report(drawn(200), (), {}, OPTIONS).tables
    assert {name: tuple(header) for name, (header, _) in tables.items()} == {
        "bars/examples_by_residual.tsv": ("x", "y"),
        "lines/actual_by_predicted.tsv": ("curve", "x", "y", "area"),
        "lines/residual_by_actual.tsv": ("curve", "x", "y", "area"),
    }
    assert sum(count for _, count in tables["bars/examples_by_residual.tsv"][1]) == 200


def test_numbers_that_are_all_the_same_are_refused() -> None:
    assert Number().space([(1.0,), (3.0,)]) == {"low": 1.0, "high": 3.0}
    with pytest.raises(InputError, match=r"every number is 2\.0: there is nothing to learn"):
        Number().space([(2.0,)])

"""Groups of runs: which belong together, and the numbers said of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import yaml
from scipy import stats

from stages.core.errors import InputError
from stages.ledger import groups, selection
from stages.ledger.runs import ledger
from stages.ledger.selection import Row
from tests.ledger.history import History, Made

ACCURACY = "evaluate.accuracy"
T3 = 12.706204736  # Student's t at 97.5 % for 1, 2 and 4 degrees of freedom, of any table
T2 = 4.302652730


def rows(history: History, made: Sequence[Made]) -> list[Row]:
    history.commit(*made)
    return selection.rows(ledger(history.root))


def made(lr: float, seed: int, accuracy: float, **more: object) -> Made:
    return Made(lr=lr, seed=seed, accuracy=accuracy, weights=f"{lr} {seed} {more}").but(**more)


def test_runs_that_differ_in_the_seed_alone_are_one_group(history: History) -> None:
    found = rows(history, [made(1e-3, 1, 0.8), made(1e-3, 2, 0.9), made(1e-4, 1, 0.7)])
    best, other = groups.grouped(found, ACCURACY, None)
    assert (best.settings, best.values) == ({"train.lr": 1e-3}, (0.8, 0.9))
    assert (other.settings, other.values) == ({"train.lr": 1e-4}, (0.7,))


def test_a_pinned_stream_is_a_seed_too(history: History) -> None:
    found = rows(history, [made(1e-3, 1, 0.8), made(1e-3, 1, 0.9, order=7)])
    assert [len(group.rows) for group in groups.grouped(found, ACCURACY, None)] == [2]


@pytest.mark.parametrize("change", [{"core": "other"}, {"raw": "other"}])
def test_other_code_or_data_is_another_group(history: History, change: dict[str, str]) -> None:
    found = rows(history, [made(1e-3, 1, 0.8), made(1e-3, 2, 0.9, **change)])
    assert [len(group.rows) for group in groups.grouped(found, ACCURACY, None)] == [1, 1]


def test_mean_deviation_interval_and_best(history: History) -> None:
    found = rows(history, [made(1e-3, 1, 0.8), made(1e-3, 2, 0.9), made(1e-3, 3, 0.85)])
    (group,) = groups.grouped(found, ACCURACY, None)
    spread = group.spread
    assert (spread.mean, spread.deviation) == pytest.approx((0.85, 0.05))
    half = T2 * 0.05 / math.sqrt(3)
    assert (spread.low, spread.high) == pytest.approx((0.85 - half, 0.85 + half))
    assert group.best.run.record.parameters["seed"] == 2


def test_a_single_run_has_no_spread() -> None:
    assert groups.spread([0.5]) == groups.Spread(0.5, None, None, None)


def test_less_of_a_loss_is_better(history: History) -> None:
    found = rows(history, [made(1e-3, 1, 0.8), made(1e-4, 1, 0.7)])
    for row in found:
        row.run.record.metrics["evaluate.log_loss"] = row.run.record.metrics[ACCURACY]
    assert [g.values for g in groups.grouped(found, "evaluate.log_loss", None)] == [(0.7,), (0.8,)]


def test_by_takes_all_together_and_tells_what_else_differs(history: History) -> None:
    found = rows(history, [made(1e-3, 1, 0.8), made(1e-4, 1, 0.9, core="other"), made(1e-3, 1, 0.6, params={"e": 2})])
    first, second = groups.grouped(found, ACCURACY, ["train.lr"])
    assert (first.settings, first.values, first.mixed) == ({"train.lr": 1e-4}, (0.9,), ())
    assert (second.settings, second.values, second.mixed) == ({"train.lr": 1e-3}, (0.8, 0.6), ("train.e",))


def test_a_repeat_counts_once_and_is_told(history: History) -> None:
    again = Made(environment={"seconds": 700.0})
    found = rows(history, [Made(), again, Made(seed=1, weights="x", accuracy=0.9)])
    kept, left_out = groups.usable(found, ACCURACY)
    assert [row.run.record.metrics[ACCURACY] for row in kept] == [0.97, 0.9]
    assert left_out == [f"1 left out, repeats of another: {found[1].run.name}"]


def test_a_lock_that_mixes_runs_is_left_out(history: History) -> None:
    stages = Made().stages()
    del stages["finetune"]
    broken = Made().files() | {"dvc.lock": yaml.safe_dump({"schema": "2.0", "stages": stages}).encode()}
    history.commit(Made(seed=3), broken)
    kept, left_out = groups.usable(selection.rows(ledger(history.root)), ACCURACY)
    assert len(kept) == 1
    assert left_out == ["1 left out, no record of one run: main"]


def test_an_effect_is_paired_by_seed(history: History) -> None:
    """The seeds lie far apart, the two rates do not: pairing takes the seeds' spread away."""
    runs = [made(1e-3, 1, 0.5), made(1e-3, 2, 0.9), made(1e-4, 1, 0.6), made(1e-4, 2, 1.02)]
    (effect,) = groups.effects(rows(history, runs), ACCURACY, ["train.lr"])
    assert (effect.base, effect.other, effect.pairs, effect.settings) == (1e-4, 1e-3, 2, 1)
    assert effect.spread.mean == pytest.approx(-0.11)
    half = T3 * 0.01
    assert (effect.spread.low, effect.spread.high) == pytest.approx((-0.11 - half, -0.11 + half))


def test_an_effect_holds_the_others_equal(history: History) -> None:
    """`e` lowers accuracy by 0.3; the higher rate was mostly run with it, and still it is the better one."""
    runs = [
        made(1e-4, 1, 0.8), made(1e-3, 1, 0.9), made(1e-3, 1, 0.6, params={"e": 2}),
        made(1e-3, 2, 0.6, params={"e": 2}),
    ]  # fmt: skip
    (effect,) = groups.effects(rows(history, runs), ACCURACY, ["train.lr"])
    assert (effect.base, effect.other) == (1e-3, 1e-4)
    assert (effect.spread.mean, effect.pairs) == (pytest.approx(-0.1), 1)


def test_several_settings_are_averaged_by_seed(history: History) -> None:
    plain, deep = {"params": {"e": 1}}, {"params": {"e": 2}}
    runs = [
        made(1e-4, 1, 0.5, **plain), made(1e-3, 1, 0.6, **plain), made(1e-4, 1, 0.5, **deep), made(1e-3, 1, 0.8, **deep)
    ]  # fmt: skip
    (effect,) = groups.effects(rows(history, runs), ACCURACY, ["train.lr"])
    assert (effect.spread.mean, effect.pairs, effect.settings) == (pytest.approx(0.2), 1, 2)


def test_without_a_seed_in_common_means_are_compared(history: History) -> None:
    runs = [made(1e-4, 1, 0.5), made(1e-4, 2, 0.6), made(1e-4, 3, 0.7), made(1e-3, 4, 0.7), made(1e-3, 5, 0.9)]
    (effect,) = groups.effects(rows(history, runs), ACCURACY, ["train.lr"])
    welch = stats.ttest_ind([0.7, 0.9], [0.5, 0.6, 0.7], equal_var=False).confidence_interval(0.95)
    assert (effect.pairs, effect.spread.mean) == (0, pytest.approx(0.2))
    assert (effect.spread.low, effect.spread.high) == pytest.approx((welch.low, welch.high))


def test_settings_that_were_never_run_beside_each_other_tell_no_effect(history: History) -> None:
    runs = [made(1e-4, 1, 0.5), made(1e-3, 1, 0.6, params={"e": 2})]
    assert groups.effects(rows(history, runs), ACCURACY, ["train.lr"]) == []


def test_a_metric_has_a_short_name(history: History) -> None:
    found = rows(history, [made(1e-3, 1, 0.8)])
    assert groups.metric("accuracy", found) == groups.metric(None, found) == ACCURACY
    with pytest.raises(InputError, match=r"no metric is called 'acuracy' \(nearest|known"):
        groups.metric("acuracy", found)


def test_the_runs_say_which_metric_is_the_main_one_and_which_way_it_improves(history: History) -> None:
    found = rows(history, [made(1e-3, 1, 0.9, rmse=0.7), made(1e-4, 1, 0.8, rmse=0.5)])
    assert selection.headline(found) == ["evaluate.rmse"]
    name = groups.metric(None, found)
    assert (name, groups.sign(name, found), groups.sign("finetune.validation_rmse", found)) == ("evaluate.rmse", -1, -1)
    best, _ = groups.grouped(found, name, None)
    assert (best.settings, best.values) == ({"train.lr": 1e-4}, (0.5,))


@pytest.mark.parametrize(("name", "way"), [("evaluate.accuracy", 1), ("evaluate.log_loss", -1), ("evaluate.ece", -1)])
def test_of_results_that_do_not_say_so_the_name_tells_the_way(history: History, name: str, way: int) -> None:
    assert groups.sign(name, rows(history, [made(1e-3, 1, 0.9)])) == way

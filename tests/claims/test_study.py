"""The variance study: its numbers on runs of known scores, and the command on a stand-in for the pipeline."""

from __future__ import annotations

import dataclasses
import json
import re
import statistics
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages import variance
from stages.claims.claiming import STUDY, main_metric
from stages.claims.study import TOTAL, draws, shared, spread, study
from stages.claims.study_page import doubts
from stages.verification import plan
from tests.claims.conftest import Project
from tests.claims.toy import accuracy

EMPTY = plan.Plan({}, {}, {}, frozenset(), 42, {}, (), {}, {}, {})


def test_standard_deviation_and_its_interval_against_the_tables() -> None:
    """Of 1 to 5: sd sqrt(2.5); chi-square of 4 degrees has 0.484419 and 11.143287 at 0.025 and 0.975 (any table)."""
    found = spread([1, 2, 3, 4, 5], [1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.mean, found.sd) == (3.0, pytest.approx(2.5**0.5))
    assert found.interval == pytest.approx([(10 / 11.143287) ** 0.5, (10 / 0.484419) ** 0.5], rel=1e-6)


def test_scores_that_are_not_normal_are_named() -> None:
    """Eight runs of which one did not learn; and eight evenly spread, which no test of eight can call odd."""
    even = dict(enumerate([0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97]))
    found = study(None, "accuracy", {"init": even, "split": {**even, 0: 0.3}, TOTAL: even})
    (said,) = doubts(found)
    assert re.match(r"Not normal, by Shapiro and Wilk's test at 5 %: split \(p = [\d.e-]+\)\. A run or two", said)
    assert doubts(study(None, "accuracy", {"init": even, TOTAL: even})) == ()
    assert spread([1, 2, 3], [0.5, 0.5, 0.5]).normality is None


def test_a_share_and_its_interval_against_the_tables() -> None:
    """Of 4 and 4 degrees F has 9.604530 at 0.975, and the inverse at 0.025 (any table)."""
    one, all_ = ([value * factor for value in (1.0, 2.0, 3.0, 4.0, 5.0)] for factor in (1, 2))
    found = shared(spread(range(5), one), spread(range(5), all_))
    assert found.share == pytest.approx(0.25)
    assert found.share_interval == pytest.approx([0.25 / 9.604530, 0.25 * 9.604530], rel=1e-6)


@pytest.mark.parametrize("values", [[], [1.0], [None, 1.0, None]])
def test_fewer_than_two_scores_have_no_spread(values: list[float | None]) -> None:
    found = spread(range(len(values)), values)
    assert (found.sd, found.interval, found.crashed) == (None, None, values.count(None))
    assert shared(found, spread([1, 2], [1.0, 2.0])).share is None


def test_of_no_spread_there_are_no_shares() -> None:
    assert shared(spread([1, 2], [1.0, 2.0]), spread([1, 2], [1.0, 1.0])).share is None
    assert shared(spread([1, 2], [1.0, 1.0]), spread([1, 2], [1.0, 2.0])).share == 0.0


def test_independent_sources_get_their_shares_back() -> None:
    """Scores that are sums of independent draws, of variances 9, 4 and 0: shares 9/13, 4/13 and 0 of many runs."""
    draw = np.random.default_rng(0)
    parts = {"init": draw.normal(0, 3, (2, 4000)), "order": draw.normal(0, 2, (2, 4000)), "split": np.zeros((2, 4000))}
    made = {name: dict(enumerate(values[0].tolist())) for name, values in parts.items()}
    made[TOTAL] = dict(enumerate(sum(values[1] for values in parts.values()).tolist()))
    found = study(None, "accuracy", made).groups
    for name, share in {"init": 9 / 13, "order": 4 / 13, "split": 0.0}.items():
        low, high = found[name].share_interval or (1, 0)
        assert found[name].share == pytest.approx(share, abs=0.05)
        assert low <= share <= high


@given(st.integers(1, 8), st.lists(st.none() | st.integers(1, 8), min_size=3, max_size=3), st.integers(2, 5))
def test_the_total_shares_no_seed_and_no_two_groups_share_a_run(seed: int, pins: list[int | None], count: int) -> None:
    """Whatever params.yaml says of the seed and of streams that have one of their own."""
    streams = dict(zip(("split", "init", "order"), pins, strict=True))
    own = dataclasses.replace(EMPTY, seed=seed, streams=streams)
    seeds = {
        group: [own.seeds(draw.seed, dict(draw.pinned)) for draw in drawn.values()]
        for group, drawn in draws(own, count).items()
    }
    runs = [tuple(each.items()) for group in seeds.values() for each in group]
    assert len(set(runs)) == len(runs) == 4 * count
    for name in streams:
        total = {each[name] for each in seeds[TOTAL]}
        assert len(total) == count
        assert not total & {each[name] for group in seeds if group != TOTAL for each in seeds[group]}


def test_the_interval_of_a_share_holds_as_often_as_it_says() -> None:
    """Of scores that follow the seeds of the draws, over many assignments of effects to seeds: 95 % within 3 errors."""
    own = dataclasses.replace(EMPTY, streams={"init": None, "order": None})
    groups = {
        name: np.array([list(own.seeds(draw.seed, dict(draw.pinned)).values()) for draw in drawn.values()])
        for name, drawn in draws(own, 8).items()
    }
    random, held, tries = np.random.default_rng(0), 0, 400
    for _ in range(tries):
        effects = random.normal(0, [[3.0], [1.0]], (2, 64))  # (stream, seed): 9/10 of the variance is init's
        made = {
            name: {row: float(effects[0, a] + effects[1, b]) for row, (a, b) in enumerate(seeds)}
            for name, seeds in groups.items()
        }
        low, high = study(None, "accuracy", made).groups["init"].share_interval or (1, 0)
        held += low <= 0.9 <= high
    assert held / tries == pytest.approx(0.95, abs=3 * (0.95 * 0.05 / tries) ** 0.5)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8), st.integers(1, 5))
def test_crashed_runs_are_counted_and_the_spread_is_that_of_the_others(scores: list[float], crashed: int) -> None:
    whole, holed = (
        spread(range(len(scores)), scores),
        spread(range(len(scores) + crashed), [*scores, *[None] * crashed]),
    )
    assert (holed.sd, holed.interval, holed.crashed) == (whole.sd, whole.interval, crashed)
    assert whole.interval is not None
    assert whole.sd is not None
    assert whole.interval[0] <= whole.sd <= whole.interval[1]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["variance", *arguments])
    try:
        variance.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_each_stream_varies_alone_and_all_together(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.claim(recipe="toy")
    assert run(monkeypatch, "--recipe", "toy", "--runs", "2", "--metric", "accuracy") == 0
    groups = json.loads(STUDY.read_text())["study"]["groups"]
    values = {name: group["values"] for name, group in groups.items()}
    assert values == {
        "init": [accuracy(42, 3), accuracy(42, 4)],
        "order": [accuracy(42, 42)] * 2,
        "split": [accuracy(3, 42), accuracy(4, 42)],
        TOTAL: [accuracy(1, 1), accuracy(2, 2)],
    }
    total = statistics.variance(values[TOTAL])
    assert groups["init"]["share"] == pytest.approx(statistics.variance(values["init"]) / total)
    assert groups["order"]["share"] == 0
    assert capsys.readouterr().out.splitlines()[-1] == "metrics/variance.md, .html and .svg say the rest"
    assert "| split | 2 |" in STUDY.with_suffix(".md").read_text(encoding="utf-8")
    before = {path: path.read_bytes() for path in Path("metrics").iterdir()}
    assert len(project.log) == 8

    for file in Path(".reprise/runs").glob("*.json"):
        file.unlink()
    assert (
        run(monkeypatch, "--recipe", "toy", "--runs", "2", "--metric", "accuracy") == 0
    )  # from metrics/variance.json alone
    assert len(project.log) == 8
    assert {path: path.read_bytes() for path in Path("metrics").iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--runs", "1"], "--runs: found 1, wanted 2 or more: one run has no spread"),
        (["--recipe", "tyo", "--metric", "accuracy"], "--recipe: "),
        (["--recipe", "toy"], "--metric: wanted, since metrics/evaluate.json names no main score"),
        (
            ["--recipe", "toy", "--metric", "acuracy"],
            "--metric: 'acuracy' is not in metrics/evaluate.json (nearest: 'acc",
        ),
        (["--rev", "nowhere", "--metric", "accuracy"], "--rev: 'nowhere' names no commit"),
    ],
)
def test_bad_input_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str],
    message: str,
) -> None:  # fmt: skip
    assert run(monkeypatch, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not STUDY.exists()


def test_the_main_score_is_the_first(tmp_path: Path) -> None:
    path = tmp_path / "evaluate.json"
    path.write_text('{"f1": 0.5, "metrics": [["f1", "higher", null, 0.0], ["accuracy", "higher", null, 0.0]]}')
    assert main_metric(path) == "f1"

"""benchmarks.finetune: its arithmetic, its refusals, and its quickest item on a tiny model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.arithmetic import (
    Row,
    Shape,
    Spread,
    counted_flops,
    done_flops,
    estimated_mb,
    figure,
    row,
    spread,
    state_mb,
    table,
)
from benchmarks.finetune import chosen
from benchmarks.items import RESULTS, speeds
from stages.core.errors import InputError
from tests import tiny

SHAPE = Shape(layers=2, hidden=4, intermediate=8, labels=3, non_embedding=100)
FACTS = {
    "layers": 2, "hidden": 4, "intermediate": 8, "labels": 3, "parameters": 130, "embedding": 30, "packed": True,
}  # fmt: skip


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmark in a working folder with a tiny model."""
    tiny.clone(folder)
    (folder / "benchmarks").symlink_to(tiny.ROOT / "benchmarks")
    command = [sys.executable, "-m", "benchmarks.finetune", *arguments]
    return subprocess.run(command, cwd=folder, env=dict(os.environ), text=True, capture_output=True, timeout=120)


def test_a_spread_is_least_median_greatest() -> None:
    assert spread([3.0, 1.0, 2.0, 10.0]) == Spread(1.0, 2.5, 10.0)


def test_a_ratio_is_taken_inside_a_round() -> None:
    assert row("i", "w", "u", [2.0, 9.0, 4.0], [1.0, 3.0, 4.0]).ratio == Spread(1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [({"least": 2.0}, True), ({"least": 2.1}, False), ({"most": 2.0}, True), ({"most": 1.9}, False)],
)
def test_what_is_wanted_is_held_against_the_median(wanted: dict[str, float], reached: bool) -> None:
    assert row("i", "w", "u", [2.0], [1.0], **wanted).reached is reached


def test_where_nothing_is_wanted_nothing_is_reached() -> None:
    assert row("i", "w", "u", [2.0], [1.0]).reached is None


def test_counted_operations() -> None:
    assert counted_flops(SHAPE, tokens=10, squares=50) == 6 * 100 * 10 + 12 * 2 * 4 * 50


def test_operations_done_by_the_packed_model() -> None:
    """One whole layer a token, keys and values of the last; query, output, feed-forward, pooler and head a row."""
    a_token = (4 * 16 + 2 * 32) + 2 * 16
    a_row = 2 * 16 + 2 * 32 + 16 + 4 * 3
    assert done_flops(SHAPE, rows=2, tokens=10, squares=50) == 6 * (a_token * 10 + a_row * 2) + 12 * 4 * (50 + 10)


def test_the_share_of_the_ceiling_is_that_of_the_better_arrangement() -> None:
    ours = [{"seconds": 2.0, "rows": 2, "tokens": 10, "squares": 50}]  # 10,800 operations counted
    found = {"ours": ours, "gemm-1x2": [{"flops_a_second": 6000.0}], "gemm-2x1": [{"flops_a_second": 7200.0}]}
    counted, done = RESULTS["ceiling"](found, FACTS)
    assert counted.ratio.median == pytest.approx(5400 / 7200)
    assert counted.reached is True
    assert done.ratio.median == pytest.approx((6 * (160 * 10 + 124 * 2) + 48 * 60) / 2 / 7200)


def test_speed_is_real_tokens_a_second() -> None:
    assert speeds([{"tokens": 30, "seconds": 2.0}, {"tokens": 9, "seconds": 3.0}]) == [15.0, 3.0]


def test_the_cost_of_exactness_is_time_a_row_against_both_peers() -> None:
    def replies(seconds: float) -> list[dict[str, float]]:
        return [{"seconds": seconds, "rows": 10}]

    rows = RESULTS["exactness"]({"ours": replies(2.1), "ddp": replies(2.0), "allreduce": replies(1.0)}, {})
    assert [(r.ratio.median, r.reached) for r in rows] == [(pytest.approx(1.05), True), (pytest.approx(2.1), False)]


def test_memory_of_weights_gradients_and_moments() -> None:
    assert state_mb(parameters=2**20, embedding=2**18) == 16 + 6


def test_memory_of_a_larger_model() -> None:
    """State by parameters, activations (100 MiB here) by layers times hidden."""
    large = Shape(layers=4, hidden=8, intermediate=8, labels=3, non_embedding=2**21)
    small = (2**20, 0, SHAPE)
    assert estimated_mb(300, 300 + 24 + 100, small, (2**21, 0, large)) == 300 + 48 + 400


@pytest.mark.parametrize(
    ("value", "shown"), [(12345.6, "12,346"), (99.96, "100.0"), (12.34, "12.3"), (1.234, "1.23"), (0.0123, "0.0123")]
)
def test_figures(value: float, shown: str) -> None:
    assert figure(value) == shown


def test_the_table() -> None:
    rows = [
        Row("a", "short", "s", 2, 1, Spread(1.5, 2, 2.5), least=2.0),
        Row("b", "longer", "s", 1, 2, Spread(1, 1, 1)),
    ]
    assert table(rows).splitlines() == [
        "what    unit  ours  other  ratio    min – max  wanted",
        "------  ----  ----  -----  -----  -----------  ------  -------",
        "short   s     2.00   1.00   2.00  1.50 – 2.50     ≥ 2  reached",
        "longer  s     1.00   2.00   1.00  1.00 – 1.00",
    ]


def test_an_unknown_item_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"found 'cieling', wanted some of .*ceiling"):
        chosen("trainer,cieling", False)


def test_accuracy_is_measured_on_request_alone() -> None:
    assert "accuracy" not in chosen(None, False)
    assert chosen("ceiling", True) == ["ceiling", "accuracy"]


def test_missing_tokens_are_one_message(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").symlink_to(tiny.ROOT / "benchmarks")
    (tmp_path / "stages").symlink_to(tiny.ROOT / "stages")
    tiny.set_params(tmp_path)
    command = [sys.executable, "-m", "benchmarks.finetune"]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "benchmarks.finetune: error: data/tokens/schema.json: no such file: `dvc repro tokenize` makes it\n"
    )


def test_the_quickest_item(tmp_path: Path) -> None:
    done = bench(tmp_path, "--quick", "--only", "checkpoint", "--steps", "1", "--json", "figures.json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads((tmp_path / "figures.json").read_text())["rows"]
    costs = json.loads((tmp_path / "figures.json").read_text())["measured"]["checkpoint"]
    shares = [c / (c + f) for c, f in zip(costs["checkpoint_seconds"], costs["seconds_of_50_steps"], strict=True)]
    assert found["ratio"]["median"] == pytest.approx(sum(shares) / 2)
    assert "a checkpoint every 50 steps" in done.stdout

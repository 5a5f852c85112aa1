"""What is drawn: means of stretches, smoothing, the cells of the matrices."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from stages.reporting import charts
from stages.reporting.images import PAPER, settings
from stages.reporting.tables import CONFUSION, PLOTS, Table, parse
from tests.reporting import project

PLOT_FILES = {
    "metrics/finetune/steps.tsv": project.STEPS,
    "metrics/finetune/validation.tsv": project.VALIDATION,
    "metrics/evaluate/confusion.tsv": project.CONFUSION,
    "metrics/evaluate/reliability.tsv": project.RELIABILITY,
}
OWN = {name: parse(content, name, PLOTS[name]) for name, content in PLOT_FILES.items()}


def texts(figure: Figure) -> list[tuple[float, float, str]]:
    return sorted((*text.get_position(), text.get_text()) for text in figure.axes[0].texts)


def matrix(cells: str) -> Table:
    return parse(project.CONFUSION.splitlines()[0] + "\n" + cells, CONFUSION, PLOTS[CONFUSION])


def test_a_short_curve_is_drawn_as_it_is() -> None:
    assert charts.stretches([3.0, 1.0, 2.0], most=3) == [3.0, 1.0, 2.0]
    assert charts.stretches([]) == []


def test_a_long_curve_is_drawn_by_means() -> None:
    assert charts.stretches([1.0, 3.0, 5.0, 7.0, 9.0], most=3) == [2.0, 6.0, 9.0]
    assert len(charts.stretches([0.0] * 100_001)) <= charts.POINTS


def test_smoothing_is_a_centred_mean() -> None:
    assert charts.smoothed([1.0, 2.0]) == [1.0, 2.0]
    values = [0.0] * 40
    values[20] = 3.0
    assert charts.smoothed(values) == [0.0] * 19 + [1.0] * 3 + [0.0] * 18


def test_the_matrix_shows_the_counts() -> None:
    assert texts(charts.confusion(OWN[CONFUSION], PAPER)) == [(0, 0, "3"), (1, 0, "1"), (1, 1, "2")]


def test_the_change_of_a_matrix_shows_differences_alone() -> None:
    base = matrix("yes\tyes\t4\t1.0\t0\t0\nno\tno\t2\t1.0\t1\t1\n")
    assert texts(charts.confusion_change(OWN[CONFUSION], base, PAPER)) == [(0, 0, "-1"), (1, 0, "+1")]


def test_the_change_is_coloured_by_what_is_better() -> None:
    base = matrix("yes\tyes\t4\t1.0\t0\t0\nno\tyes\t2\t1.0\t1\t0\nno\tno\t0\t0.0\t1\t1\n")
    figure = charts.confusion_change(OWN[CONFUSION], base, PAPER)
    colours = {
        tuple(map(round, (p.get_x() + 0.5, p.get_y() + 0.5))): p.get_facecolor()[2] for p in figure.axes[0].patches
    }
    blue, orange = 0xA8 / 255, 0x1A / 255
    assert colours == {(0, 0): orange, (1, 0): orange, (0, 1): blue, (1, 1): blue}


def test_many_classes_have_no_numbers() -> None:
    rows = "".join(f"c{i}\tc{i}\t5\t1.0\t{i}\t{i}\n" for i in range(charts.NUMBERED + 1))
    assert texts(charts.confusion(matrix(rows), PAPER)) == []


def test_classes_stand_in_the_order_of_the_matrix() -> None:
    assert charts.classes(matrix("b\tb\t1\t1.0\t1\t1\na\ta\t1\t1.0\t0\t0\n")) == ["a", "b"]


@pytest.mark.parametrize("draw", [charts.loss, charts.validation, charts.learning_rate, charts.reliability])
def test_two_runs_are_told_apart(draw: charts.Chart) -> None:
    with settings():
        labels = {line.get_label() for line in draw({"main": OWN, "here": OWN}, PAPER).axes[0].lines}
    assert {name for name in ("main", "here") if any(str(label).endswith(name) for label in labels)} == {"main", "here"}

"""What is drawn: means of stretches, smoothing, the cells of the matrices."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from stages.reporting import charts
from stages.reporting.images import PAPER, settings
from stages.reporting.tables import FORMS, Table, parse, shape_of
from tests.reporting import project

CONFUSION = "metrics/evaluate/matrix/confusion.tsv"
LINES = "metrics/evaluate/lines/accuracy_by_confidence.tsv"
BARS = "metrics/evaluate/bars/f1_by_class.tsv"
PLOT_FILES = {
    "metrics/finetune/steps.tsv": project.STEPS,
    "metrics/finetune/validation.tsv": project.VALIDATION,
    "metrics/evaluate/matrix/confusion.tsv": project.CONFUSION,
    "metrics/evaluate/lines/accuracy_by_confidence.tsv": project.RELIABILITY,
    "metrics/evaluate/bars/f1_by_class.tsv": project.BARS,
}
OWN = {name: parse(content, name, shape_of(name)) for name, content in PLOT_FILES.items()}


def texts(figure: Figure) -> list[tuple[float, float, str]]:
    return sorted((*text.get_position(), text.get_text()) for text in figure.axes[0].texts)


def matrix(cells: str) -> Table:
    return parse(project.CONFUSION.splitlines()[0] + "\n" + cells, CONFUSION, FORMS["matrix"])


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
    assert texts(charts.matrix(OWN[CONFUSION], PAPER)) == [(0, 0, "3"), (1, 0, "1"), (1, 1, "2")]


def test_the_change_of_a_matrix_shows_differences_alone() -> None:
    base = matrix("yes\tyes\t4\t1.0\t0\t0\nno\tno\t2\t1.0\t1\t1\n")
    assert texts(charts.matrix_change(OWN[CONFUSION], base, PAPER)) == [(0, 0, "-1"), (1, 0, "+1")]


def test_the_change_is_coloured_by_what_is_better() -> None:
    base = matrix("yes\tyes\t4\t1.0\t0\t0\nno\tyes\t2\t1.0\t1\t0\nno\tno\t0\t0.0\t1\t1\n")
    figure = charts.matrix_change(OWN[CONFUSION], base, PAPER)
    colours = {
        tuple(map(round, (p.get_x() + 0.5, p.get_y() + 0.5))): p.get_facecolor()[2] for p in figure.axes[0].patches
    }
    blue, orange = 0xA8 / 255, 0x1A / 255
    assert colours == {(0, 0): orange, (1, 0): orange, (0, 1): blue, (1, 1): blue}


def test_many_classes_have_no_numbers() -> None:
    rows = "".join(f"c{i}\tc{i}\t5\t1.0\t{i}\t{i}\n" for i in range(charts.NUMBERED + 1))
    assert texts(charts.matrix(matrix(rows), PAPER)) == []


def test_classes_stand_in_the_order_of_the_matrix() -> None:
    assert charts.classes(matrix("b\tb\t1\t1.0\t1\t1\na\ta\t1\t1.0\t0\t0\n")) == ["a", "b"]


def test_axes_are_named_by_the_file() -> None:
    axes = charts.lines({"": OWN}, LINES, PAPER).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("confidence", "accuracy")
    assert [line.get_label() for line in axes.lines] == ["this model", "as confident as right"]
    assert len(charts.lines({"main": OWN, "here": OWN}, LINES, PAPER).axes[0].lines) == 2


def test_bars_over_names_and_over_numbers() -> None:
    axes = charts.bars({"": OWN}, BARS, PAPER).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["yes", "no"]
    assert [bar.get_width() for bar in axes.patches] == [0.8571, 0.8]
    residuals = {BARS: parse("x\ty\n-0.5\t3\n0.5\t4\n", BARS, FORMS["bars"])}
    assert [bar.get_height() for bar in charts.bars({"": residuals}, BARS, PAPER).axes[0].patches] == [3, 4]


@pytest.mark.parametrize(
    "draw",
    [charts.loss, charts.validation, charts.learning_rate, lambda runs, palette: charts.lines(runs, LINES, palette)],
)
def test_two_runs_are_told_apart(draw: charts.Chart) -> None:
    with settings():
        labels = {line.get_label() for line in draw({"main": OWN, "here": OWN}, PAPER).axes[0].lines}
    assert {name for name in ("main", "here") if any(str(label).endswith(name) for label in labels)} == {"main", "here"}


def test_a_long_name_keeps_both_ends() -> None:
    assert charts._short("Entity-Destination(e1,e2)", 16) == "Entity-D…(e1,e2)"
    assert charts._short("Other", 16) == "Other"

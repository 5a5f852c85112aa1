"""What is drawn, with matplotlib: of one run, or of a run and the one it is compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from stages.core.shown import terminal
from stages.reporting.tables import STEPS, VALIDATION, Table, axes_of

Runs = Mapping[str, Mapping[str, Table]]  # name -> the run's plots by path; the last is the one reported
ENDS = 7  # characters that stay at the end of a name that is too long
POINTS = 300  # of a curve: longer ones are drawn as the means of so many stretches of equal length
LARGEST = 40  # classes of a matrix that are drawn, and bars
NUMBERED = 15  # classes up to which the cells of a matrix carry their numbers
MARKED = 30  # points up to which a curve has a dot at each
SIZE = (4.6, 3.1)  # inches: what is legible on a page 400 pixels wide


@dataclass(frozen=True)
class Palette:
    """Colours: of text, of secondary text, of lines behind, of the background, and of the curves."""

    ink: str
    muted: str
    grid: str
    paper: str
    series: tuple[str, str]


class Chart(Protocol):
    """Draws one or more runs in the colours of a palette."""

    def __call__(self, runs: Runs, palette: Palette) -> Figure: ...


def loss(runs: Runs, palette: Palette) -> Figure:
    """Draw the loss of the training batches, smoothed, and of the validation rows, over steps."""
    figure, axes = blank(palette, "step", "loss")
    for (name, plots), colour in zip(runs.items(), _colours(runs, palette), strict=True):
        steps, validation = plots[STEPS], plots[VALIDATION]
        places, losses = stretches(steps["step"]), stretches(steps["loss"])
        if len(runs) == 1:
            axes.plot(places, losses, color=colour, alpha=0.3, linewidth=0.8)
        axes.plot(places, smoothed(losses), color=colour, linewidth=1.8, label=_label(name, "training"))
        mark = palette.series[1] if len(runs) == 1 else colour
        axes.plot(
            validation["step"], validation["loss"], color=mark, marker="o", markersize=4, linewidth=1.2,
            linestyle="--", label=_label(name, "validation"),
        )  # fmt: skip
    axes.set_ylim(bottom=0)
    _legend(axes, palette)
    return figure


def validation(runs: Runs, palette: Palette) -> Figure:
    """Draw the scores of the validation rows over steps: the main one, which is the last, and of one run another."""
    figure, axes = blank(palette, "step", "score")
    for number, (name, plots) in enumerate(runs.items()):
        table = plots[VALIDATION]
        columns = [column for column in table if column not in ("step", "epoch", "loss")]
        for place, column in enumerate(reversed(columns[-2:] if len(runs) == 1 else columns[-1:])):
            colour = palette.series[place] if len(runs) == 1 else _colours(runs, palette)[number]
            axes.plot(
                table["step"], table[column], color=colour, marker="o", markersize=4, linewidth=1.6,
                label=_label(name, column.replace("_", " ")),
            )  # fmt: skip
    _legend(axes, palette)
    return figure


def learning_rate(runs: Runs, palette: Palette) -> Figure:
    """Draw the learning rate over steps."""
    figure, axes = blank(palette, "step", "learning rate")
    for (name, plots), colour in zip(runs.items(), _colours(runs, palette), strict=True):
        steps = plots[STEPS]
        axes.plot(steps["step"], steps["lr"], color=colour, linewidth=1.8, label=name)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    axes.yaxis.get_offset_text().set(color=palette.muted, fontsize=9)
    axes.set_ylim(bottom=0)
    return figure


def lines(runs: Runs, path: str, palette: Palette) -> Figure:
    """Draw the curves of a file: of one run all, the first one thick; of several the first of each."""
    figure, axes = blank(palette, *axes_of(path))
    for (name, plots), colour in zip(runs.items(), _colours(runs, palette), strict=True):
        curves = _curves(plots[path])
        for place, (curve, xs, ys) in enumerate(curves if len(runs) == 1 else curves[:1]):
            first = place == 0
            axes.plot(
                xs, ys, color=colour if first else palette.muted, linewidth=1.8 if first else 0.8,
                linestyle="-" if first else (":", "--", "-.", "-")[min(place - 1, 3)],
                marker="o" if first and len(xs) <= MARKED else "", markersize=3.5,
                label=_label(name, _short(curve, 24)) if place < 4 else None,
            )  # fmt: skip
    _legend(axes, palette)
    return figure


def _curves(table: Table) -> list[tuple[str, list[float], list[float]]]:
    found: dict[str, tuple[list[float], list[float]]] = {}
    for curve, x, y in zip(table["curve"], table["x"], table["y"], strict=True):
        xs, ys = found.setdefault(curve, ([], []))
        xs.append(x)
        ys.append(y)
    return [(curve, xs, ys) for curve, (xs, ys) in found.items()]


def bars(runs: Runs, path: str, palette: Palette) -> Figure:
    """Draw the bars of a file, the runs side by side: upright over numbers, else one below another, LARGEST at most."""
    x, y = axes_of(path)
    table = list(runs.values())[-1][path]
    places = _numbers(table["x"])
    names = table["x"][:LARGEST]
    size = SIZE if places else (SIZE[0], max(2.0, 0.55 + 0.24 * len(names)))
    figure, axes = blank(palette, x if places else y, y if places else "", size)
    for number, ((name, plots), colour) in enumerate(zip(runs.items(), _colours(runs, palette), strict=True)):
        known = dict(zip(plots[path]["x"], plots[path]["y"], strict=True))
        heights = [known.get(one, math.nan) for one in (table["x"] if places else names)]
        if places:
            width = 0.9 * (places[1] - places[0] if len(places) > 1 else 1) / len(runs)
            axes.bar([at + number * width for at in places], heights, width, color=colour, label=terminal(name) or None)
        else:
            width = 0.8 / len(runs)
            at = [place + number * width for place in range(len(names))]
            axes.barh(at, heights, width, color=colour, label=terminal(name) or None)
    if not places:
        middle = [place + 0.4 * (len(runs) - 1) / len(runs) for place in range(len(names))]
        axes.set_yticks(middle, [_short(name, 20) for name in names], fontsize=8.5)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.grid(axis="x", color=palette.grid, linewidth=0.7)
    if len(runs) > 1:
        _legend(axes, palette)
    return figure


def _numbers(words: Sequence[str]) -> list[float]:
    """Return words as numbers, [] when one is none."""
    try:
        return [float(word) for word in words]
    except ValueError:
        return []


def matrix(table: Table, palette: Palette) -> Figure:
    """Draw how many examples of each of the LARGEST classes were taken for which; the shade is the class's share."""
    names = classes(table)
    figure, axes = _matrix(names, palette)
    for row, column, examples, share in _cells(table, "examples", "share"):
        axes.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=palette.series[0], alpha=share, linewidth=0)
        )
        if len(names) <= NUMBERED and examples:
            colour = palette.paper if share > 0.55 else palette.ink
            axes.text(column, row, f"{examples:.0f}", ha="center", va="center", color=colour, fontsize=8.5)
    return figure


def matrix_change(own: Table, base: Table, palette: Palette) -> Figure:
    """Draw by how many examples each cell differs: one colour where that is for the better, another for the worse.

    Both have the same classes, of the same sizes; the LARGEST are drawn.
    """
    names = classes(own)
    before = {(row, column): examples for row, column, examples in _cells(base, "examples")}
    after = {(row, column): examples for row, column, examples in _cells(own, "examples")}
    changes = {place: after.get(place, 0) - before.get(place, 0) for place in sorted(after.keys() | before.keys())}
    largest = max(map(abs, changes.values()), default=0)
    figure, axes = _matrix(names, palette)
    for (row, column), change in changes.items():
        if change:
            better = (change > 0) == (row == column)
            colour, shade = palette.series[0 if better else 1], 0.15 + 0.6 * abs(change) / largest
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, alpha=shade, linewidth=0))
            if len(names) <= NUMBERED:
                axes.text(column, row, f"{change:+.0f}", ha="center", va="center", color=palette.ink, fontsize=8.5)
    return figure


def classes(table: Table, most: int | None = LARGEST) -> list[str]:
    """Return the `most` classes of a matrix, the one with the most examples first."""
    places = dict(zip(table["row"], table["actual"], strict=True)) | dict(
        zip(table["column"], table["predicted"], strict=True)
    )
    return [name for _, name in sorted(places.items())][:most]


def stretches(values: Sequence[float], most: int = POINTS) -> list[float]:
    """Return the means of at most `most` stretches of equal length; a shorter sequence as it is."""
    length = math.ceil(len(values) / most) if values else 1
    parts = [values[start : start + length] for start in range(0, len(values), length)]
    return [math.fsum(part) / len(part) for part in parts]


def smoothed(values: Sequence[float]) -> list[float]:
    """Return the running mean over a twentieth of the values, centred, over fewer at both ends."""
    half = len(values) // 40
    around = [values[max(0, i - half) : i + half + 1] for i in range(len(values))]
    return [math.fsum(part) / len(part) for part in around]


def _cells(table: Table, *columns: str) -> list[tuple[Any, ...]]:
    """Return the cells between the LARGEST classes: row, column, and what else of them is asked for."""
    cells = zip(table["row"], table["column"], *(table[name] for name in columns), strict=True)
    return [cell for cell in cells if max(cell[:2]) < LARGEST]


def _colours(runs: Runs, palette: Palette) -> list[str]:
    """Return a colour a run: the first is that of the run reported, which is the last."""
    return list(reversed(palette.series[: len(runs)]))


def _short(name: str, most: int) -> str:
    """Return a name in at most `most` characters: of a longer one both ends, since many differ in the last alone."""
    text = terminal(name)
    return text if len(text) <= most else f"{text[: most - ENDS - 1]}…{text[-ENDS:]}"


def _label(name: str, what: str) -> str:
    return f"{what}, {terminal(name)}" if name else what


def blank(palette: Palette, x: str, y: str, size: tuple[float, float] = SIZE) -> tuple[Figure, Axes]:
    """Return a figure of `size` inches with axes labelled `x` and `y`, in the colours of the palette."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    figure.patch.set_visible(False)
    axes.patch.set_visible(False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(palette.muted)
    axes.tick_params(colors=palette.muted, labelcolor=palette.muted, labelsize=9, length=3)
    axes.set_xlabel(x, color=palette.ink, fontsize=10)
    axes.set_ylabel(y, color=palette.ink, fontsize=10)
    axes.grid(axis="y", color=palette.grid, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    return figure, axes


def _matrix(names: Sequence[str], palette: Palette) -> tuple[Figure, Axes]:
    figure, axes = blank(palette, "predicted", "actual", (4.6, 4.2))
    short = [_short(name, 16) for name in names]
    size = 9 if len(names) <= NUMBERED else max(3.0, 9 * NUMBERED / len(names))
    axes.set_xticks(range(len(names)), short, rotation=45, ha="right", fontsize=size)
    axes.set_yticks(range(len(names)), short, fontsize=size)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False)
    for edge in range(len(names) + 1):
        axes.axhline(edge - 0.5, color=palette.grid, linewidth=0.5)
        axes.axvline(edge - 0.5, color=palette.grid, linewidth=0.5)
    return figure, axes


def _legend(axes: Axes, palette: Palette) -> None:
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=9, labelcolor=palette.ink,
        borderaxespad=0, handlelength=1.6, columnspacing=1.2,
    )  # fmt: skip

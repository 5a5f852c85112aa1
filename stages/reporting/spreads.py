"""Groups of runs side by side: every run a dot, the mean and its interval beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from stages.core.shown import cut, terminal
from stages.reporting.charts import Palette, blank
from stages.reporting.images import PAPER, image, settings

WIDTH = 6.4  # inches
_NAME = 44  # characters of a group's name


@dataclass(frozen=True)
class Line:
    """One group: its name, the metric of each run, their mean, and its interval if there is one."""

    name: str
    values: tuple[float, ...]
    mean: float
    low: float | None
    high: float | None


def chart(lines: Sequence[Line], metric: str, palette: Palette) -> Figure:
    """Draw the groups from top to bottom, in their order, over the `metric`."""
    figure, axes = blank(palette, metric, "", (WIDTH, 1.0 + 0.34 * len(lines)))
    for place, line in enumerate(lines):
        axes.plot(
            line.values, [place + 0.16] * len(line.values), color=palette.series[1], marker="o", markersize=4,
            alpha=0.6, linestyle="", markeredgewidth=0, label="a run" if place == 0 else None,
        )  # fmt: skip
        if line.low is not None and line.high is not None:
            axes.plot([line.low, line.high], [place, place], color=palette.series[0], linewidth=1.8)
        axes.plot(
            [line.mean], [place], color=palette.series[0], marker="D", markersize=5, linestyle="",
            label="mean and its 95 % interval" if place == 0 else None,
        )  # fmt: skip
    names = [cut(terminal(line.name), _NAME) for line in lines]
    axes.set_yticks(range(len(lines)), names)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=palette.grid, linewidth=0.7)
    axes.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=9, labelcolor=palette.ink,
        borderaxespad=0, handlelength=1.6, columnspacing=1.2,
    )  # fmt: skip
    return figure


def draw(lines: Sequence[Line], metric: str, path: Path, form: str) -> None:
    """Write the chart as an image of the `form` svg or png: the same bytes for the same groups."""
    with settings():
        image(chart(lines, metric, PAPER), path, form)

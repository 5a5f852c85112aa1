"""A picture of intervals: strips under each other, each on the scale of its panel. SVG that needs nothing but itself.

Drawn by hand, so that the commands of verification need no drawing library.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stages.core.shown import html

WIDTH, LEFT, RIGHT = 760, 150, 170  # pixels: of the whole, of the labels, of the notes
ROW, AXIS, TOP = 44, 46, 14
STYLE = """text{font:13px system-ui,sans-serif;fill:#222}.muted{fill:#666}.band{fill:#0b6e4f;opacity:.14}
.line{stroke:#27679b;stroke-width:2}.dot{fill:#27679b;opacity:.45}.mean{fill:#27679b}.mark{stroke:#a4262c;stroke-width:2}
.axis{stroke:#999}.grid{stroke:#e3e3e3}"""


@dataclass(frozen=True)
class Strip:
    """One line of a panel."""

    label: str
    dots: tuple[float, ...] = ()
    mean: float | None = None
    interval: tuple[float, float] | None = None
    band: tuple[float, float] | None = None  # what is accepted
    mark: float | None = None  # what is published
    notes: tuple[str, ...] = ()  # to the right, at most two


@dataclass(frozen=True)
class Panel:
    """Strips on one scale."""

    axis: str
    strips: tuple[Strip, ...]
    zero: bool = False  # whether the scale begins at 0


def svg(panels: Sequence[Panel], said: str) -> str:
    """Return the panels under each other, the same bytes for the same numbers; `said` is read out."""
    drawn: list[str] = []
    top = TOP
    for panel in panels:
        drawn += _panel(panel, top)
        top += ROW * len(panel.strips) + AXIS
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img" '
        f'aria-label="{html(said)}">\n<style>{STYLE}</style>\n'
        f'<rect width="{WIDTH}" height="{top}" fill="#fff"/>\n'
    )
    return start + "\n".join(drawn) + "\n</svg>\n"


def _panel(panel: Panel, top: int) -> Iterator[str]:
    ticks = _ticks(*_range(panel))
    low, high = ticks[0], ticks[-1]
    bottom = top + ROW * len(panel.strips)

    def x(value: float) -> str:
        return f"{LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT):.1f}"

    digits = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    for tick in ticks:
        yield f'<line class="grid" x1="{x(tick)}" x2="{x(tick)}" y1="{top}" y2="{bottom}"/>'
        yield f'<text class="muted" x="{x(tick)}" y="{bottom + 16}" text-anchor="middle">{tick:.{digits}f}</text>'
    yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text class="muted" x="{middle:g}" y="{bottom + 34}" text-anchor="middle">{html(panel.axis)}</text>'
    for place, strip in enumerate(panel.strips):
        y = top + ROW * place + ROW // 2
        yield f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{html(strip.label)}</text>'
        if strip.band is not None:
            width = float(x(strip.band[1])) - float(x(strip.band[0]))
            yield f'<rect class="band" x="{x(strip.band[0])}" y="{y - 15}" width="{width:.1f}" height="30"/>'
        if strip.mark is not None:
            yield f'<line class="mark" x1="{x(strip.mark)}" x2="{x(strip.mark)}" y1="{y - 15}" y2="{y + 15}"/>'
        if strip.interval is not None:
            a, b = map(x, strip.interval)
            yield f'<path class="line" d="M{a} {y}H{b}M{a} {y - 6}v12M{b} {y - 6}v12"/>'
        yield from (f'<circle class="dot" cx="{x(dot)}" cy="{y}" r="4"/>' for dot in strip.dots)
        if strip.mean is not None:
            yield f'<rect class="mean" x="{float(x(strip.mean)) - 2:.1f}" y="{y - 8}" width="4" height="16"/>'
        for line, note in enumerate(strip.notes):
            height = y + 4 + (line * 16 - 8 if len(strip.notes) > 1 else 0)
            kind = ' class="muted"' if line else ""
            yield f'<text{kind} x="{WIDTH - RIGHT + 14}" y="{height}">{html(note)}</text>'


def _range(panel: Panel) -> tuple[float, float]:
    values = [0.0] if panel.zero else []
    for strip in panel.strips:
        values += [*strip.dots, *(strip.interval or ()), *(strip.band or ())]
        values += [value for value in (strip.mean, strip.mark) if value is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low - 0.01 * (not panel.zero), high + 0.01)


def _ticks(low: float, high: float) -> list[float]:
    """Return four to nine round numbers at equal distances, the first not above `low`, the last not below `high`."""
    step: float = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]

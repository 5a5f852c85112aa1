"""What is counted, and how figures of rounds become a row of the table. No torch, nothing measured here."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Spread:
    """Of the figures of all rounds: the least, the median, the greatest."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Row:
    """One line of the table: two sides in `unit`, and the ratio of the two, round by round."""

    item: str
    what: str
    unit: str
    ours: float  # median over the rounds
    other: float  # median over the rounds
    ratio: Spread
    least: float | None = None  # the ratio is to be at least this
    most: float | None = None  # … or at most this

    @property
    def reached(self) -> bool | None:
        """Whether the median ratio reaches what is wanted; None where nothing is."""
        if self.least is not None:
            return self.ratio.median >= self.least
        return None if self.most is None else self.ratio.median <= self.most

    def plain(self) -> dict[str, Any]:
        """Return the row as JSON takes it."""
        return {**asdict(self), "reached": self.reached}


@dataclass(frozen=True)
class Shape:
    """Sizes of an encoder, for counting its arithmetic."""

    layers: int
    hidden: int
    intermediate: int
    labels: int
    non_embedding: int  # parameters that are no embedding


def spread(values: Sequence[float]) -> Spread:
    """Return least, median and greatest of at least one value."""
    return Spread(min(values), statistics.median(values), max(values))


def row(item: str, what: str, unit: str, ours: Sequence[float], other: Sequence[float], **wanted: float | None) -> Row:
    """Return the row of ours / other, pair by pair: figures of one round belong together."""
    ratios = [a / b for a, b in zip(ours, other, strict=True)]
    return Row(item, what, unit, statistics.median(ours), statistics.median(other), spread(ratios), **wanted)


def counted_flops(shape: Shape, tokens: int, squares: int) -> int:
    """Return the operations of training on `tokens` real tokens, `squares` the sum of their rows' squared lengths.

    6 operations a token and non-embedding parameter (2 forward, 4 backward), and for attention 12 * layers * hidden *
    length^2 a row: two products of 2 * hidden * length^2 forward, twice that backward.
    """
    return 6 * shape.non_embedding * tokens + 12 * shape.layers * shape.hidden * squares


def done_flops(shape: Shape, rows: int, tokens: int, squares: int) -> int:
    """Return the operations in matrix products when the last layer is computed for the first token of a row alone.

    That layer still makes keys and values of all tokens; pooler and head see one token a row, always.
    """
    h, i = shape.hidden, shape.intermediate
    a_token = (shape.layers - 1) * (4 * h * h + 2 * h * i) + 2 * h * h
    a_row = 2 * h * h + 2 * h * i + h * h + h * shape.labels
    return 6 * (a_token * tokens + a_row * rows) + 12 * h * ((shape.layers - 1) * squares + tokens)


def state_mb(parameters: int, embedding: int) -> float:
    """Return MiB of weights, gradients and optimiser state of one worker of two.

    16 bytes a parameter (float32 weight, gradient and two moments), and 8 more for each that is no embedding: its
    place in the sum that is sent and in the one that is received. Of the embedding only the batch's rows are sent.
    """
    return (16 * parameters + 8 * (parameters - embedding)) / 2**20


def estimated_mb(start: float, peak: float, small: tuple[int, int, Shape], large: tuple[int, int, Shape]) -> float:
    """Return the peak MiB to expect of a `large` model from that of a `small` one: (parameters, embedding, shape).

    `start` is the process before it has a model. What the small one had above start and `state_mb` are activations of
    equal rows: they grow with layers * hidden.
    """
    activations = peak - start - state_mb(*small[:2])
    growth = large[2].layers * large[2].hidden / (small[2].layers * small[2].hidden)
    return start + state_mb(*large[:2]) + activations * growth


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table for reading."""
    cells = [("what", "unit", "ours", "other", "ratio", "min – max", "wanted", "")]
    for r in rows:
        wanted = f"≥ {r.least:g}" if r.least is not None else f"≤ {r.most:g}" if r.most is not None else ""
        verdict = {None: "", True: "reached", False: "NOT reached"}[r.reached]
        span = f"{figure(r.ratio.low)} – {figure(r.ratio.high)}"
        cells.append((r.what, r.unit, figure(r.ours), figure(r.other), figure(r.ratio.median), span, wanted, verdict))
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    left = (0, 1, 7)  # columns of words
    lines = [
        "  ".join(c.ljust(w) if n in left else c.rjust(w) for n, (c, w) in enumerate(zip(line, widths, strict=True)))
        for line in cells
    ]
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(line.rstrip() for line in lines)


def figure(value: float) -> str:
    """Return a number with about three digits that mean something: 12,345; 123; 12.3; 1.23; 0.0123."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3g}"

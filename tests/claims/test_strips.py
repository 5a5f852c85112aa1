"""The picture of intervals: where things are drawn, and that any numbers can be."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.claims.strips import LEFT, RIGHT, WIDTH, Panel, Strip, _ticks, svg

NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda value: round(value, 6))


def test_things_are_drawn_at_their_values() -> None:
    """The scale goes from 0.94 to 1: 440 pixels for 0.06."""
    strip = Strip("a", (0.95,), 0.97, (0.96, 0.98), (0.94, 1.0), 0.985, ("good", "5 runs"))
    drawn = svg([Panel("accuracy", (strip,))], "said")
    assert WIDTH - LEFT - RIGHT == 440
    assert '<circle class="dot" cx="223.3"' in drawn
    assert '<path class="line" d="M296.7 36H443.3M296.7 30v12M443.3 30v12"/>' in drawn
    assert '<rect class="band" x="150.0" y="21" width="440.0"' in drawn
    assert '<rect class="mean" x="368.0"' in drawn
    assert 'x1="480.0" x2="480.0"' in drawn
    assert re.findall(r">([\d.]+)</text>", drawn) == ["0.94", "0.96", "0.98", "1.00"]


def test_text_is_text() -> None:
    drawn = svg([Panel("<b>", (Strip("<i>&", notes=("<u>",)),))], '"quoted"')
    texts = [element.text for element in ElementTree.fromstring(drawn).iter() if element.tag.endswith("text")]
    assert {"<b>", "<i>&", "<u>"} <= set(texts)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.948, 0.988, [0.94, 0.95, 0.96, 0.97, 0.98, 0.99]),
        (0.0, 0.0031, [0.0, 0.001, 0.002, 0.003, 0.004]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert _ticks(low, high) == ticks


@given(st.lists(NUMBERS, max_size=5), st.none() | st.tuples(NUMBERS, NUMBERS).map(sorted).map(tuple), st.booleans())
def test_whatever_the_numbers_all_is_drawn_within(
    dots: list[float], interval: tuple[float, float] | None, zero: bool
) -> None:
    drawn = svg([Panel("x", (Strip("a", tuple(dots), interval=interval),), zero=zero)], "said")
    ElementTree.fromstring(drawn)
    places = [float(x) for x in re.findall(r'cx="([\d.-]+)"', drawn)]
    assert len(places) == len(dots)
    assert all(LEFT <= x <= WIDTH - RIGHT for x in places)

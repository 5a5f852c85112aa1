"""Labels hold letters alone, and whole numbers stand in their own order."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.errors import InputError
from stages.targets.names import ordered, refuse_unseen


@pytest.mark.parametrize(
    ("label", "letter"),
    [
        ("a\nb", "U+000A (a control character)"),
        ("a\tb", "U+0009 (a control character)"),
        ("\x1b[31mred", "U+001B (a control character)"),
        ("a\x7f", "U+007F (a control character)"),
        ("a\x85b", "U+0085 (a control character)"),
        ("a\u2028b", "U+2028 (line separator)"),
        ("a\u2029b", "U+2029 (paragraph separator)"),
        ("a\u202eb", "U+202E (right-to-left override)"),
        ("a\u2066b", "U+2066 (left-to-right isolate)"),
        ("a\u200bb", "U+200B (zero width space)"),
        ("so\xadft", "U+00AD (soft hyphen)"),
    ],
)
def test_what_would_change_what_is_shown_is_refused(label: str, letter: str) -> None:
    message = f"t, line 2: label {label!r} holds {letter}, wanted a line of letters"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        refuse_unseen(label, "t, line 2")


@pytest.mark.parametrize("label", ["a b", "<b>", "né", "می\u200cخواهم", "👩\u200d🔬", "\ue000", "اَ", "="])
def test_letters_of_every_script_are_labels(label: str) -> None:
    refuse_unseen(label, "t, line 2")


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (["10", "9", "1", "0", "11"], ["0", "1", "9", "10", "11"]),
        (["1", "-1", "0"], ["-1", "0", "1"]),
        (["1", "01", "001", "0"], ["0", "001", "01", "1"]),
        (["10", "9", "x"], ["10", "9", "x"]),
        (["10", "9", "1.0"], ["1.0", "10", "9"]),
        (["٣", "10", "9"], ["10", "9", "٣"]),
        (["1" * 5000, "2"], ["1" * 5000, "2"]),
        (["é", "b", "Z", "a"], ["Z", "a", "b", "é"]),
    ],
)
def test_whole_numbers_are_ordered_by_value_and_all_else_by_code_point(labels: list[str], order: list[str]) -> None:
    assert ordered(labels) == order


@given(numbers=st.sets(st.integers(-(10**30), 10**30)))
def test_any_whole_numbers_are_ordered_by_value(numbers: set[int]) -> None:
    assert ordered(map(str, numbers)) == [str(number) for number in sorted(numbers)]

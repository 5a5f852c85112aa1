"""Cells are normalised, those of which nothing is seen are empty, and a search for a pattern ends."""

from __future__ import annotations

import re
import signal
import unicodedata
from typing import Any

import pytest

from stages.cleaning import keeping
from stages.cleaning.keeping import search
from stages.cleaning.texts import blank, normalised
from stages.cleaning.values import value
from stages.core.errors import InputError

UNSEEN = [
    "",
    "\u200b",
    "\u200c\u200d",
    "\u2060",
    "\ufeff",
    "\u00ad",
    "\u202e",
    "\x01\x1b",
    "\u034f",
    "\u3164",
    "\ufe0f",
]
UNSEEN += ["\U000e0001\U000e0041", "\u115f\u1160", "\u2065", "\u200b \u00a0\u2028\t\u200b", "\u180b"]
SEEN = ["a", "\u200ba", "\u200b.\u200b", "é", "中", "👍\ufe0f", "\u0301", "\u2800", "\ue000", "\u202ea"]


@pytest.mark.parametrize("text", UNSEEN)
def test_a_text_of_which_nothing_is_seen_is_blank(text: str) -> None:
    assert blank(text)


@pytest.mark.parametrize("text", SEEN)
def test_a_text_with_a_letter_is_not_blank(text: str) -> None:
    assert not blank(text)


def test_every_separator_control_and_format_character_is_blank() -> None:
    letters = map(chr, range(0x110000))
    wrong = [c for c in letters if unicodedata.category(c) in ("Zs", "Zl", "Zp", "Cc", "Cf") and not blank(c)]
    assert wrong == []


def test_a_text_keeps_its_lines_and_loses_the_blanks_at_its_ends() -> None:
    assert normalised("\n cafe\u0301\n\nnoir \u2003", "t, line 1") == "café\n\nnoir"


def test_a_search_that_backtracks_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "SECONDS", 0.1)
    before = signal.getsignal(signal.SIGVTALRM)
    message = "t, line 2: the search for data.keep.pattern '(a+)+$' took more than 0.1 seconds: it backtracks; write it"
    with search("(a+)+$") as found:
        assert found("aaa", "t, line 1")
        with pytest.raises(InputError, match=f"^{re.escape(message)}"):
            found("a" * 50 + "b", "t, line 2")
        assert not found("b", "t, line 3")
    assert signal.getsignal(signal.SIGVTALRM) == before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("cell", "kind", "found"),
    [
        (" a\u0301 ", "text", "á"),
        ("\u200b", "text", None),
        ("EU  rejects\t", "words", ("EU", "rejects")),
        (["EU ", "New York"], "words", ("EU", "New York")),
        ([], "words", None),
        (" ", "words", None),
        (" 3.50 ", "number", 3.5),
        (0.25, "number", 0.25),
        ("-0", "number", 0.0),
        ("", "number", None),
        (" a\u0301  b ", "verbatim", " a\u0301  b "),
        (" \u200b", "verbatim", None),
        (["a ", ""], "texts", ("a ", "")),
        ([], "texts", ()),
        (["1", "2.50"], "numbers", (1.0, 2.5)),
        ([" a\u0301 ", "b"], "labels", ("á", "b")),
        (" a; b", "labels", "a; b"),
        (" ", "labels", ""),
    ],
)
def test_a_cell_is_what_its_column_holds(cell: Any, kind: Any, found: object) -> None:
    assert repr(value(cell, kind, "t, line 1", "a")) == repr(found)


@pytest.mark.parametrize(
    ("cell", "kind", "message"),
    [
        (1.5, "text", "t, line 1: found the number 1.5 in column 'a', wanted text, a whole number, a boolean or null"),
        (["x"], "text", "t, line 1: found a list in column 'a', wanted text"),
        (1.5, "words", "t, line 1: found the number 1.5 in column 'a', wanted words"),
        (["x", "\u200b"], "words", "t, line 1: column 'a': word 2 is empty"),
        ("many", "number", "t, line 1: found 'many' in column 'a', wanted a number"),
        ("inf", "number", "t, line 1: found inf in column 'a', wanted a finite number"),
        (float("inf"), "number", "t, line 1: found inf in column 'a', wanted a finite number"),
        (["1"], "number", "t, line 1: found a list in column 'a'"),
        ("a", "texts", "t, line 1: found 'a' in column 'a', wanted a list"),
        (["x"], "numbers", "t, line 1: found 'x' in column 'a', wanted a number"),
        (["\0"], "texts", "t, line 1: found a NUL character, wanted text"),
        (1.5, "labels", "t, line 1: found the number 1.5 in column 'a', wanted labels"),
    ],
)
def test_what_is_no_such_cell_is_told(cell: Any, kind: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        value(cell, kind, "t, line 1", "a")

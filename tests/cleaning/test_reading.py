"""Cells are normalised, those of which nothing is seen are empty, and a search for a pattern ends."""

from __future__ import annotations

import re
import signal
import unicodedata

import pytest

from stages.cleaning import keeping
from stages.cleaning.keeping import search
from stages.cleaning.reading import blank, normalised
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

"""Labels: the characters one may hold, and their order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from stages.core.errors import InputError

_WHOLE = re.compile(r"-?[0-9]{1,400}")
_JOINERS = "\u200c\u200d"  # words of Persian and Indic scripts and some emoji need them
_REFUSED = ("Cc", "Cf", "Zl", "Zp")


def refuse_unseen(label: str, where: str) -> None:
    """Raise InputError for a label with a line end, control or format character: it would change what is shown.

    Those are Unicode's categories Cc, Cf (marks of direction among them), Zl and Zp; the joiners U+200C and U+200D are
    part of words.
    """
    if label.isascii() and label.isprintable():
        return
    for letter in label:
        if unicodedata.category(letter) in _REFUSED and letter not in _JOINERS:
            name = unicodedata.name(letter, "a control character").lower()
            raise InputError(
                f"{where}: label {label[:60]!r} holds U+{ord(letter):04X} ({name}), wanted a line of letters"
            )


def ordered(labels: Iterable[str]) -> list[str]:
    """Return labels in the order of their classes: by value if all are whole numbers, else by code point."""
    given = sorted(labels)
    return sorted(given, key=int) if all(map(_WHOLE.fullmatch, given)) else given

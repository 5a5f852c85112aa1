"""What a text of a raw file is: Unicode in its one form, of which something is seen."""

from __future__ import annotations

import re
import unicodedata

from stages.core.errors import InputError

_SEEN = re.compile("[!-~]")  # the most common of characters that are seen
_UNSEEN = ("Zs", "Zl", "Zp", "Cc", "Cf")
_IGNORED = re.compile(  # Default_Ignorable_Code_Point but for the categories above (DerivedCoreProperties.txt)
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)


def blank(text: str) -> bool:
    """Tell whether nothing of a text is seen: such a text or label is empty.

    Every character of it is a separator, control or format character (Unicode's categories Z*, Cc, Cf: zero-width
    spaces and joiners among them) or one that may be ignored by Unicode's Default_Ignorable_Code_Point.
    """
    return not _SEEN.search(text) and all(unicodedata.category(c) in _UNSEEN or _IGNORED.match(c) for c in text)


def normalised(cell: str, where: str) -> str:
    """Return a cell in Unicode NFC without white space at its ends. Raises InputError for what is no text."""
    if "\0" in cell:
        raise InputError(f"{where}: found a NUL character, wanted text")
    if cell.isascii():
        return cell.strip()
    try:
        cell.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"{where}: found half a surrogate pair, wanted Unicode text") from None
    return unicodedata.normalize("NFC", cell).strip()

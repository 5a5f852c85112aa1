"""Synonyms from the files of WordNet as Princeton publishes them: data.noun, data.verb, data.adj, data.adv (wndb(5WN)).

A line is a synset: `offset file type count(hex) word id word id … | gloss`. Words of one synset are synonyms. The index
files say in which synsets a word is, which these lines say too.
"""

from __future__ import annotations

import re
from pathlib import Path

from stages.core.errors import InputError

PARTS = ("data.noun", "data.verb", "data.adj", "data.adv")
_LICENCE = "  "  # the first lines begin so
_POSITION = re.compile(r"\((a|p|ip)\)$")  # where an adjective may stand: galore(ip)


def synonyms(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return lower-case word or phrase -> its synonyms in all its senses, sorted; `_` stands for a blank.

    Raises InputError for a folder that lacks a file, and for a line that is no synset.
    """
    found: dict[str, set[str]] = {}
    for part in PARTS:
        for words in _synsets(folder / part):
            for word in words:
                found.setdefault(word.lower(), set()).update(words)
    return {
        word: tuple(sorted(other for other in others if other.lower() != word))
        for word, others in found.items()
        if len(others) > 1
    }


def _synsets(path: Path) -> list[list[str]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file: augmentation eda reads {', '.join(PARTS)} of WordNet, which data.resource fetches "
            "(docs/augmentation.md)"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}, wanted a file of WordNet") from None
    return [
        _words(line, f"{path}, line {number}")
        for number, line in enumerate(lines, 1)
        if line and not line.startswith(_LICENCE)
    ]


def _words(line: str, where: str) -> list[str]:
    fields = line.split(" ")
    try:
        count = int(fields[3], 16)
    except (IndexError, ValueError):
        count = 0
    words = fields[4 : 4 + 2 * count : 2]
    if not count or len(words) < count or not all(words):
        raise InputError(f"{where}: found {line[:60]!r}, wanted a synset of WordNet")
    return [_POSITION.sub("", word) for word in words]

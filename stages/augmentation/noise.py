"""Slips of typing: a neighbour of the right key, two letters swapped, one left out.

As in Belinkov and Bisk 2018 (arXiv:1711.02173, section 3.2.2) a slip is within a word of four characters or more, and
its first and last characters stay. The letters left out are those of Karpukhin et al. 2019 (arXiv:1902.01509).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from stages.augmentation.methods import Copies, Rewriting, Share, changes, free, places, put
from stages.interfaces import Rewrite, Stretch

ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")  # of the keyboard, each set half a key to the right of the one above
SHORTEST = 4  # characters
Slip = Literal["neighbour", "swap", "drop"]


@dataclass(frozen=True)
class Noise(Rewriting):
    """Copies with a slip in about `share` of the words."""

    copies: Copies = 1
    share: Share = 0.1
    slips: Annotated[tuple[Slip, ...], Field(min_length=1, description="of neighbour, swap, drop; one is drawn")] = (
        "neighbour", "swap", "drop",
    )  # fmt: skip

    def rewriter(self, rows: Iterable[Sequence[Stretch]], resource: Path) -> Rewrite | None:
        """Return what makes a copy."""

        def rewrite(stretches: Sequence[Stretch], draw: np.random.Generator) -> Sequence[Stretch]:
            texts = free(stretches)
            words = places(texts)
            long = [(text, place) for text, place in words if len(texts[text][place]) >= SHORTEST]
            for index in sorted(draw.permutation(len(long))[: changes(self.share, len(words))].tolist()):
                text, place = long[index]
                slip = SLIPS[self.slips[int(draw.integers(len(self.slips)))]]
                texts[text][place] = unicodedata.normalize("NFC", slip(texts[text][place], draw))
            return put(stretches, texts)

        return rewrite


def _adjacent() -> dict[str, str]:
    """Return letter -> the letters on the keys around it."""
    keys = {letter: (row, place + row / 2) for row, letters in enumerate(ROWS) for place, letter in enumerate(letters)}
    return {
        one: "".join(b for b, (r, p) in keys.items() if b != one and abs(r - row) <= 1 and abs(p - place) <= 1)
        for one, (row, place) in keys.items()
    }


NEIGHBOURS = _adjacent()


def neighbour(word: str, draw: np.random.Generator) -> str:
    """Return the word with one inner letter of the English keyboard replaced by one beside it."""
    found = [place for place in range(1, len(word) - 1) if word[place].lower() in NEIGHBOURS]
    if not found:
        return word
    place = found[int(draw.integers(len(found)))]
    near = NEIGHBOURS[word[place].lower()]
    key = near[int(draw.integers(len(near)))]
    return f"{word[:place]}{key.upper() if word[place].isupper() else key}{word[place + 1 :]}"


def swap(word: str, draw: np.random.Generator) -> str:
    """Return the word with two inner characters beside each other swapped."""
    place = int(draw.integers(1, len(word) - 2))
    return f"{word[:place]}{word[place + 1]}{word[place]}{word[place + 2 :]}"


def drop(word: str, draw: np.random.Generator) -> str:
    """Return the word without one inner character."""
    place = int(draw.integers(1, len(word) - 1))
    return word[:place] + word[place + 1 :]


SLIPS: dict[str, Callable[[str, np.random.Generator], str]] = {"neighbour": neighbour, "swap": swap, "drop": drop}

"""What several methods of augmentation share; see stages.interfaces.Augmentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from stages.interfaces import Keys, Rewrite, Stretch

if TYPE_CHECKING:
    from stages.interfaces import Numbers

Copies = Annotated[int, Field(ge=1, le=100, description="of each training row, [1, 100]")]
Share = Annotated[float, Field(gt=0, le=1, description="of the words of a row, (0, 1]: one at least")]


@dataclass(frozen=True)
class Verbatim:
    """A method whose copies are their rows as they are."""

    needs: ClassVar[Literal["nothing", "words", "mentions", "classes"]] = "nothing"

    def rewriter(self, rows: Iterable[Sequence[Stretch]], resource: Path) -> Rewrite | None:
        """Return None."""
        return None


@dataclass(frozen=True)
class Rewriting:
    """A method that makes as many copies of every row, each with other words."""

    copies: Copies
    needs: ClassVar[Literal["nothing", "words", "mentions", "classes"]] = "words"

    def counts(self, answers: Numbers, keys: Keys) -> Numbers | None:
        """Return `copies` for each row."""
        return np.full(len(answers), self.copies, dtype=np.int64)


def free(stretches: Sequence[Stretch]) -> list[list[str]]:
    """Return the words that may be changed, a list for each stretch of them."""
    return [list(stretch.words) for stretch in stretches if stretch.mention is None]


def put(stretches: Sequence[Stretch], texts: Sequence[Sequence[str]]) -> list[Stretch]:
    """Return `stretches` with other free words, as `free` gave them; mentions stay."""
    rest = iter(texts)
    return [Stretch(tuple(next(rest))) if stretch.mention is None else stretch for stretch in stretches]


def places(texts: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Return (stretch, place in it) of every word, in order."""
    return [(text, place) for text, words in enumerate(texts) for place in range(len(words))]


def changes(share: float, words: int) -> int:
    """Return how many of `words` words are changed: their share, rounded down, and one at least."""
    return max(1, int(share * words))

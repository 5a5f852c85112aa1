"""Mention replacement: other names of the same type (Dai and Adel 2020, arXiv:2010.11683, section 2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from stages.augmentation.methods import Copies, Rewriting
from stages.interfaces import Rewrite, Stretch


@dataclass(frozen=True)
class Mentions(Rewriting):
    """Copies in which each mention, with a probability, is another of its type from the training rows."""

    copies: Copies = 1
    probability: Annotated[float, Field(gt=0, le=1, description="for each mention, (0, 1]")] = 0.5
    needs: ClassVar[Literal["nothing", "words", "mentions", "classes"]] = "mentions"

    def rewriter(self, rows: Iterable[Sequence[Stretch]], resource: Path) -> Rewrite | None:
        """Return what makes a copy: mentions are drawn evenly from the different ones of `rows`."""
        found: dict[str, set[tuple[str, ...]]] = {}
        for row in rows:
            for stretch in row:
                if stretch.mention is not None:
                    found.setdefault(stretch.mention, set()).add(stretch.words)
        known = {name: sorted(mentions) for name, mentions in found.items()}
        ranks = {name: {words: rank for rank, words in enumerate(mentions)} for name, mentions in known.items()}

        def rewrite(stretches: Sequence[Stretch], draw: np.random.Generator) -> Sequence[Stretch]:
            return [
                stretch if stretch.mention is None else other(stretch, stretch.mention, draw) for stretch in stretches
            ]

        def other(stretch: Stretch, name: str, draw: np.random.Generator) -> Stretch:
            mentions = known[name]
            if draw.random() >= self.probability or len(mentions) == 1:
                return stretch
            ahead = 1 + int(draw.integers(len(mentions) - 1))  # never all the way round to itself
            return Stretch(mentions[(ranks[name][stretch.words] + ahead) % len(mentions)], name)

        return rewrite

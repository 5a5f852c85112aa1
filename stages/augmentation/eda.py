"""Easy data augmentation: synonyms, insertions, swaps, deletions (Wei and Zou 2019, arXiv:1901.11196, section 2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from stages.augmentation.methods import Copies, Rewriting, Share, changes, free, places, put
from stages.augmentation.wordnet import synonyms
from stages.interfaces import Rewrite, Stretch

Operation = Literal["replace", "insert", "swap", "delete"]
Texts = list[list[str]]
Known = Callable[[str], Sequence[str]]  # the synonyms of a word
# Words of grammar, of which WordNet knows some in another sense: `a` as ångström, `in` as inch.
FUNCTION_WORDS = frozenset(
    """
    a about above after again against all am an and any are as at be because been before being below between both but
    by can could did do does doing down during each few for from had has have having he her here hers him his how i if
    in into is it its just may me might more most must my no nor not now of off on once only or other our out over own
    same shall she should so some such than that the their them then there these they this those through to too under
    until up very was we were what when where which while who whom whose why will with would you your
    """.split()
)
_AROUND = re.compile(r"^\W+|\W+$")  # signs before and behind a word


@dataclass(frozen=True)
class EDA(Rewriting):
    """Copies with one of the operations each, on about `alpha` of the words.

    Synonyms are those of WordNet in data/resource, of any sense, for words that stand there as they are written; words
    of grammar have none.
    """

    copies: Copies = 4
    alpha: Share = 0.1
    operations: Annotated[
        tuple[Operation, ...], Field(min_length=1, description="of replace, insert, swap, delete; one is drawn")
    ] = ("replace", "insert", "swap", "delete")

    def rewriter(self, rows: Iterable[Sequence[Stretch]], resource: Path) -> Rewrite | None:
        """Return what makes a copy. Raises InputError when `resource` is no WordNet."""
        wordnet = synonyms(resource) if {"replace", "insert"} & set(self.operations) else {}

        def rewrite(stretches: Sequence[Stretch], draw: np.random.Generator) -> Sequence[Stretch]:
            texts = free(stretches)
            if any(texts):
                operation = OPERATIONS[_any(self.operations, draw)]
                operation(texts, self.alpha, lambda word: similar(word, wordnet), draw)
            return put(stretches, texts)

        return rewrite


def similar(word: str, wordnet: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the synonyms of a word as they stand in its place: with its capitals, and the signs around it."""
    core = _AROUND.sub("", word)
    before, after = word.split(core, 1) if core else ("", word)
    if core.lower() in FUNCTION_WORDS:
        return []
    cased = str.upper if len(core) > 1 and core.isupper() else _capital if core[:1].isupper() else str
    return [f"{before}{cased(other.replace('_', ' '))}{after}" for other in wordnet.get(core.lower(), ())]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _known(texts: Texts, known: Known) -> list[tuple[int, int]]:
    return [(text, place) for text, place in places(texts) if known(texts[text][place])]


def _any(values: Sequence[str], draw: np.random.Generator) -> str:
    return values[int(draw.integers(len(values)))]


def replace(texts: Texts, alpha: float, known: Known, draw: np.random.Generator) -> None:
    """Replace words, drawn of those that have synonyms, by one of theirs."""
    found = _known(texts, known)
    for index in sorted(draw.permutation(len(found))[: changes(alpha, len(places(texts)))].tolist(), reverse=True):
        text, place = found[index]  # from the end: a phrase moves what follows
        texts[text][place : place + 1] = _any(known(texts[text][place]), draw).split()


def insert(texts: Texts, alpha: float, known: Known, draw: np.random.Generator) -> None:
    """Insert synonyms of drawn words anywhere between the words beside them."""
    found = [(text, texts[text][place]) for text, place in _known(texts, known)]
    for _ in range(changes(alpha, len(places(texts))) if found else 0):
        text, word = found[int(draw.integers(len(found)))]
        place = int(draw.integers(len(texts[text]) + 1))
        texts[text][place:place] = _any(known(word), draw).split()


def swap(texts: Texts, alpha: float, known: Known, draw: np.random.Generator) -> None:
    """Let drawn words change places with another one beside them."""
    found = [(text, place) for text, place in places(texts) if len(texts[text]) > 1]
    for _ in range(changes(alpha, len(places(texts))) if found else 0):
        text, one = found[int(draw.integers(len(found)))]
        words = texts[text]
        other = (one + 1 + int(draw.integers(len(words) - 1))) % len(words)
        words[one], words[other] = words[other], words[one]


def delete(texts: Texts, alpha: float, known: Known, draw: np.random.Generator) -> None:
    """Delete each word with probability `alpha`; of a stretch that would lose all, one that is drawn stays."""
    for words in texts:
        kept = [word for word, chance in zip(words, draw.random(len(words)), strict=True) if chance >= alpha]
        words[:] = kept or ([_any(words, draw)] if words else [])


OPERATIONS: dict[str, Callable[[Texts, float, Known, np.random.Generator], None]] = {
    "replace": replace, "insert": insert, "swap": swap, "delete": delete,
}  # fmt: skip

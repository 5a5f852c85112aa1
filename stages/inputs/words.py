"""A sentence that is cut into words already: for answers that belong to words.

A sentence is encoded as its words with blanks between them, so that its tokens are those of the same line of text
wherever else it is read; a token belongs to the word in which its first character lies. A sentence of more tokens than
a model takes is cut into windows of whole words that overlap. Each word is owned by one window, the one that shows most
of what is around it, so that nothing is learnt or scored twice, and nothing is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, ClassVar

from stages.interfaces import Encoded, Encoder, Field, Stretch, Unit, Value, Window

OVERLAP = 0.25  # of a window, at most: tokens that the next window shows again


@dataclass(frozen=True)
class Words:
    """The words of a sentence."""

    fields: ClassVar[Sequence[Field]] = (Field("words", "words"),)
    unit: ClassVar[Unit] = "word"
    # The words that a window owns, and where in it the first token of each is: -1 for a word without a token.
    columns: ClassVar[Sequence[str]] = ("words", "places")

    def example(self, cells: Value, where: str) -> Value:
        """Return the cells as they are."""
        return cells

    def encode(self, examples: Sequence[Value], encoder: Encoder) -> Iterator[Encoded]:
        """Yield each sentence in windows; see stages.interfaces.Input."""
        sentences = [words for (words,) in examples]
        special = encoder.special()
        room = encoder.max_length - special
        texts = [" ".join(words) for words in sentences]
        for words, whole in zip(sentences, encoder.located(texts), strict=True):
            pieces = _pieces(words, whole)
            sizes = [len(tokens) for _, tokens in pieces]
            spans = windows(sizes, room)
            # A word without a token goes with the one before it.
            cuts = [0, *(pieces[span.owned_first][0] for span in spans[1:]), len(words)]
            owned = [range(low, high) for low, high in pairwise(cuts)]
            found = [
                _window(pieces, (span.first, span.last), of, encoder, room)
                for span, of in zip(spans, owned, strict=True)
            ]
            yield Encoded(found, whole.ids, special, max(sizes, default=0) > room)

    def shown(self, example: Value) -> Mapping[str, str]:
        """Return {"words": …}, blanks between them."""
        return {"words": " ".join(example[0])}

    def stretches(self, example: Value) -> Sequence[Stretch]:
        """Return all its words."""
        return [Stretch(example[0])]

    def reworded(self, example: Value, stretches: Sequence[Stretch]) -> Value:
        """Return the words of all stretches."""
        return (tuple(word for stretch in stretches for word in stretch.words),)


@dataclass(frozen=True)
class Span:
    """A window over pieces: those it shows, as a half-open range, and the first of those that it owns."""

    first: int
    last: int
    owned_first: int


def windows(sizes: Sequence[int], room: int) -> list[Span]:
    """Return the windows over pieces of `sizes` tokens, each of at most `room` tokens; a larger piece counts as `room`.

    A window owns the pieces up to the first of the next one. One window is returned for no pieces.
    """
    ends = [0, *accumulate(min(size, room) for size in sizes)]
    found: list[tuple[int, int]] = []
    first = 0
    while True:
        last = first
        while last < len(sizes) and ends[last + 1] - ends[first] <= room:
            last += 1
        found.append((first, last))
        if last == len(sizes):
            break
        again = last
        while again - 1 > first and ends[last] - ends[again - 1] <= room * OVERLAP:
            again -= 1
        first = again
    cuts = [0, *((after[0] + before[1]) // 2 for before, after in pairwise(found))]
    return [Span(*shown, owned) for shown, owned in zip(found, cuts, strict=True)]


def _pieces(words: Sequence[str], whole: Any) -> list[tuple[int, list[int]]]:
    """Return (word, its token ids) in order, for the words that have tokens."""
    ends = list(accumulate(len(word) + 1 for word in words))  # the blank after it counts to a word
    found: list[tuple[int, list[int]]] = []
    word = 0
    for token, (start, end) in zip(whole.ids, whole.offsets, strict=True):
        # A token may begin with the blank before its word: what counts is where its last character lies, at least.
        place = start if end <= start else end - 1
        while word + 1 < len(words) and _begins_after(start, place, ends[word]):
            word += 1
        if found and found[-1][0] == word:
            found[-1][1].append(token)
        else:
            found.append((word, [token]))
    return found


def _begins_after(start: int, place: int, end: int) -> bool:
    """Tell whether a token from `start`, whose last character is at `place`, begins at `end` or after, blanks aside."""
    return start >= end or (start == end - 1 and place >= end)


def _window(
    pieces: Sequence[tuple[int, list[int]]], span: tuple[int, int], owned: range, encoder: Encoder, room: int
) -> Window:
    tokens: list[int] = []
    places: dict[int, int] = {}
    for word, ids in pieces[slice(*span)]:
        places[word] = len(tokens)
        tokens += ids[:room]
    ids, before = encoder.window(tokens)
    return Window(
        ids, {"words": list(owned), "places": [before + places[word] if word in places else -1 for word in owned]}
    )

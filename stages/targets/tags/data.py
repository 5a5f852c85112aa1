"""A tag a word, by which spans of words are named: the tags in the data, and the schemes they are written in.

BIO (IOB2): B-TYPE begins a span, I-TYPE goes on, O is outside. IOB1: I-TYPE begins one too, B-TYPE only where it
follows another of its type. BILOU (BIOES): L-TYPE (E-TYPE) ends a span, U-TYPE (S-TYPE) is one of a single word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal

from stages.core.errors import InputError
from stages.interfaces import Field, Stretch, Unit, Value, Window
from stages.targets.answers import Plain
from stages.targets.names import refuse_unseen


@dataclass(frozen=True)
class Tags(Plain):
    """Named spans of words, a tag a word: B-TYPE begins a span, I-TYPE goes on, O is outside."""

    scheme: Literal["bio", "iob1", "bilou"] = "bio"  # in which the data's tags are written; the model's are bio
    fields: ClassVar[Sequence[Field]] = (Field("tags", "words"),)
    stored: ClassVar[str] = "tags"
    form: ClassVar[str] = "indices"
    units: ClassVar[Sequence[Unit]] = ("word",)

    def answer(self, example: Value, cells: Value, where: str) -> Value:
        """Return the tags in BIO. Raises InputError unless there is one well-formed tag a word."""
        words, tags = example[0], cells[0]
        if len(words) != len(tags):
            raise InputError(f"{where}: {len(words)} words, but {len(tags)} tags: wanted one a word")
        for tag in dict.fromkeys(tags):
            refuse_unseen(tag, where)
        return (read(tags, self.scheme, where),)

    def space(self, answers: Iterable[Value]) -> dict[str, Any]:
        """Return {"labels": ["O", "B-TYPE", "I-TYPE", …]}, the types by code point.

        Raises InputError when there is no type.
        """
        types = sorted({tag.partition("-")[2] for (tags,) in answers for tag in tags if tag != "O"})
        if not types:
            raise InputError("data.columns.tags: every tag is O: there is nothing to learn")
        return {"labels": ["O", *(f"{prefix}-{name}" for name in types for prefix in "BI")]}

    def coder(self, space: Mapping[str, Any]) -> Callable[[Value], list[int]]:
        """Return (tags,) -> tag indices."""
        indices = {tag: index for index, tag in enumerate(space["labels"])}
        return lambda answer: [indices[tag] for tag in answer[0]]

    def blank(self, example: Value) -> list[int]:
        """Return O for every word."""
        return [0] * len(example[0])

    def align(self, stored: Sequence[int], window: Window) -> list[int]:
        """Return the tags of the words that the window owns."""
        return [stored[word] for word in window.columns["words"]]

    def divided(self, answer: Value, stretches: Sequence[Stretch]) -> Sequence[Stretch]:
        """Return the spans as mentions of their types, and the words between them."""
        (tags,) = answer
        words = [word for stretch in stretches for word in stretch.words]
        starts = [place for place, tag in enumerate(tags) if place == 0 or _parts(tags[place - 1], tag)]
        pieces = pairwise([*starts, len(tags)])
        return [Stretch(tuple(words[low:high]), tags[low].partition("-")[2] or None) for low, high in pieces]

    def reanswered(self, stretches: Sequence[Stretch]) -> Value:
        """Return (tags,): those of each mention anew, however many words it has now, and O for free words."""
        found: list[str] = []
        for stretch in stretches:
            for place in range(len(stretch.words)):
                found.append(f"{'I' if place else 'B'}-{stretch.mention}" if stretch.mention else "O")
        return (tuple(found),)


def _parts(before: str, tag: str) -> bool:
    """Tell whether a word tagged `tag` (BIO) is of another span, or of none, than the word before it."""
    return tag.startswith("B-") or (tag == "O") != (before == "O")


PREFIXES = {"bio": "BI", "iob1": "BI", "bilou": "BILUES"}
ALIASES = {"E": "L", "S": "U"}


def read(tags: Sequence[str], scheme: str, where: str) -> tuple[str, ...]:
    """Return the tags of a sentence in BIO. Raises InputError, which begins with `where` and names the word."""
    found: list[str] = []
    open_type, must_go_on = "", False  # the span that the word before is in; whether BILOU leaves it unended
    for number, tag in enumerate(tags, 1):
        prefix, _, name = tag.partition("-")
        prefix = ALIASES.get(prefix, prefix) if scheme == "bilou" else prefix
        if tag != "O" and not (name and len(prefix) == 1 and prefix in PREFIXES[scheme]):
            wanted = ", ".join(f"{letter}-TYPE" for letter in PREFIXES[scheme])
            raise InputError(f"{where}: word {number}: tag {tag!r}, wanted O, {wanted} (target.scheme: {scheme})")
        begins = tag != "O" and (prefix in "BU" or (scheme == "iob1" and name != open_type))
        fault = _fault(tag, begins, name, open_type, must_go_on)
        if fault:
            raise InputError(f"{where}: word {number}: {fault}{_advice(scheme)}")
        found.append("O" if tag == "O" else f"{'B' if begins else 'I'}-{name}")
        must_go_on = scheme == "bilou" and prefix in "BI" and tag != "O"
        open_type = "" if tag == "O" or prefix in "LU" else name
    if must_go_on:
        raise InputError(f"{where}: word {len(tags)}: the span of {open_type!r} has no end{_advice(scheme)}")
    return tuple(found)


def _fault(tag: str, begins: bool, name: str, open_type: str, must_go_on: bool) -> str:
    if tag != "O" and not begins and name != open_type:
        return f"tag {tag!r} after {'no span' if not open_type else f'one of {open_type!r}'}"
    if must_go_on and (tag == "O" or begins):
        return f"tag {tag!r}, but the span of {open_type!r} has no end"
    return ""


def _advice(scheme: str) -> str:
    others = {"bio": "iob1, where I-TYPE begins a span too, or bilou", "iob1": "bio or bilou", "bilou": "bio or iob1"}
    return f" (target.scheme is {scheme}; the others are {others[scheme]})"

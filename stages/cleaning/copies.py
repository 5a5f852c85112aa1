"""Copies of training rows by `augmentation`. Each is a function of the seed's stream `augment`, its row and its number.

A copy has its row's id and line. None stands in validation or test: a copy whose example does is dropped (`leaked`),
and so is one that should differ from all training rows and other copies and does not (`repeated`). Examples count as
equal here whatever white space is between their words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from stages.cleaning.reading import Reader
from stages.cleaning.rows import Rows
from stages.core.shown import terminal
from stages.interfaces import Augmentation, Input, Mentioning, Stretch, Target, Value, Worded
from stages.repro.streams import Streams

STREAM = "augment"
WANTED = {  # by what a method needs
    "words": "an input with words that may be changed: text, pair, words or marked",
    "mentions": "a target of mentions: tags",
    "classes": "a target of classes, one a row: classes or relations",
}


@dataclass(frozen=True)
class Copies:
    """The copies that are written, by row and number, and what became of all."""

    rows: Rows
    counts: Mapping[str, int]  # made: the sum of leaked, repeated and written


def refusal(method: Augmentation, input: Input, target: Target) -> str | None:
    """Return what `method` needs that this input and target have not; None when it fits."""
    fits = {
        "nothing": True, "words": isinstance(input, Worded), "mentions": isinstance(target, Mentioning),
        "classes": target.grouped,
    }  # fmt: skip
    return None if fits[method.needs] else WANTED[method.needs]


def copies(
    rows: Mapping[str, Rows], reader: Reader, method: Augmentation, resource: Path, streams: Streams
) -> Copies | None:
    """Return the copies of the training rows of all splits' `rows`, None where the method makes none.

    resource: the folder of `data.resource`. Raises InputError when it lacks what the method reads.
    """
    train = rows["train"]
    ids = train.ids.tolist()
    numbers = method.counts(train.answers, lambda row: streams.key(STREAM, ids[row]))
    if numbers is None:
        return None
    examples, answers = list(reader.examples), list(reader.answers)
    own = [(examples[e], answers[a]) for e, a in zip(train.examples.tolist(), train.answers.tolist(), strict=True)]
    rewrite = method.rewriter((_stretches(reader, *row) for row in own), resource)
    elsewhere = {_text(reader, examples[c]) for s, held in rows.items() if s != "train" for c in held.examples.tolist()}
    seen = {_text(reader, example) for example, _ in own}
    counts = Counter(made=0, leaked=0, repeated=0, written=0)
    taken: list[tuple[int, ...]] = []
    for place, copy in ((place, copy) for place, number in enumerate(numbers.tolist()) for copy in range(number)):
        example, answer = own[place]
        if rewrite:
            stretches = rewrite(_stretches(reader, example, answer), streams.generator(STREAM, ids[place], copy))
            example, answer = _reworded(reader, example, answer, stretches)
        text = _text(reader, example)
        fate = "leaked" if text in elsewhere else "repeated" if rewrite and text in seen else "written"
        counts.update(("made", fate))
        if fate == "written":
            seen.add(text)
            taken.append((place, reader.examples[example], reader.answers[answer], reader.asked(example)))
    places, *codes = np.array(taken, dtype=np.int64).reshape(-1, 4).T
    made = Rows(train.path, train.unit, train.ids[places], train.lines[places], *codes)
    return Copies(made, counts)


def _stretches(reader: Reader, example: Value, answer: Value) -> Sequence[Stretch]:
    input, target = reader.input, reader.target
    stretches = input.stretches(example) if isinstance(input, Worded) else ()
    return target.divided(answer, stretches) if isinstance(target, Mentioning) else stretches


def _reworded(reader: Reader, example: Value, answer: Value, stretches: Sequence[Stretch]) -> tuple[Value, Value]:
    input, target = reader.input, reader.target
    if isinstance(input, Worded):
        example = input.reworded(example, stretches)
    return example, target.reanswered(stretches) if isinstance(target, Mentioning) else answer


def _text(reader: Reader, example: Value) -> tuple[str, ...]:
    return tuple(" ".join(text.split()) for text in reader.input.shown(example).values())


def shown(train: Rows, copies: Rows, reader: Reader, count: int) -> Iterator[str]:
    """Yield lines for the first `count` rows of `train` with `copies`: the fields of the row, then of its copies."""
    examples = list(reader.examples)
    for row in islice(np.flatnonzero(np.isin(train.ids, copies.ids)).tolist(), count):
        of = np.flatnonzero(copies.ids == train.ids[row]).tolist()
        yield f"{terminal(str(train.path))}, {train.unit} {train.lines[row]}"
        for name, code in [("before", train.examples[row]), *(("after", copies.examples[copy]) for copy in of)]:
            for key, text in reader.input.shown(examples[code]).items():
                yield f"  {name:<6}  {key}: {terminal(text)}"

"""A conversation, of which a model learns to write what the assistant says.

The base's chat template makes one text of the turns. What it adds for a turn of the assistant, the sign at its end
among it, is what is learnt. Each stretch of the text is cut into tokens by itself, so that a response begins behind the
same tokens when it is learnt and when it is to be written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field as Key

from stages.core.errors import InputError
from stages.interfaces import Encoded, Encoder, Field, Unit, Value, Window

Turns = list[dict[str, Any]]
FIELDS = {
    "pair": (Field("prompt", "verbatim"), Field("response", "response")),
    "alpaca": (Field("instruction", "verbatim"), Field("input", "optional"), Field("output", "response")),
    "messages": (Field("messages", "turns"),),
}


@dataclass(frozen=True)
class Chat:
    """A prompt and its response, an instruction with its input and output, or any turns with their roles."""

    form: Literal["pair", "alpaca", "messages"] = "pair"
    learn: Annotated[Literal["all", "last"], Key(description="turns of the assistant that are learnt")] = "all"
    # What is done with a row of more than tokenize.max_length tokens: it is left out, or its begin is cut off.
    long: Literal["drop", "cut"] = "drop"
    system: Annotated[str | None, Key(description="a turn of the system before rows that have none, or null")] = None
    template: Annotated[str | None, Key(description="a chat template (Jinja), or null: the base's own")] = None
    unit: ClassVar[Unit] = "turn"
    columns: ClassVar[Sequence[str]] = ()

    @property
    def fields(self) -> Sequence[Field]:
        """Return the columns of the form."""
        return FIELDS[self.form]

    def example(self, cells: Value, where: str) -> Value:
        """Return the cells as they are."""
        return cells

    def turns(self, example: Value) -> Turns:
        """Return the turns of an example; one whose response is "" ends before it."""
        if self.form == "messages":
            found: Turns = [{"content": "", **json.loads(turn)} for turn in example[0]]
        else:
            *asked, response = example
            found = [{"role": "user", "content": "\n\n".join(filter(None, asked))}]
            found += [{"role": "assistant", "content": response}] if response else []
        first = [{"role": "system", "content": self.system}] if self.system and found[0]["role"] != "system" else []
        return first + found

    def encode(self, examples: Sequence[Value], encoder: Encoder) -> Iterator[Encoded]:
        """Yield one window a conversation, none for one that is too long and to be left out.

        Raises InputError for a template that changes what was said before, and for a response that has no room.
        """
        for example in examples:
            pieces = self._pieces(self.turns(example), encoder)
            encodings = encoder.located([text for text, _ in pieces])
            ids: list[int] = []
            counts: list[int] = []
            for (_, said), encoding in zip(pieces, encodings, strict=True):
                ids += encoding.ids
                counts += [int(said)] * len(encoding.ids)
            long = len(ids) > encoder.max_length
            if long and any(counts):
                if self.long == "drop":
                    yield Encoded((), ids, 0, True)
                    continue
                _refuse_no_prompt(counts, encoder.max_length)
            kept = slice(-encoder.max_length, None)
            yield Encoded((Window(ids[kept], counts=counts[kept]),), ids, 0, long)

    def _pieces(self, turns: Turns, encoder: Encoder) -> list[tuple[str, bool]]:
        """Return the stretches of the text of `turns`, each with whether it is learnt."""
        said = [place for place, turn in enumerate(turns) if turn["role"] == "assistant"]
        if turns[-1]["role"] != "assistant":
            return [(encoder.conversation(turns, self.template, begun=True), False)]
        whole = encoder.conversation(turns, self.template, begun=False)
        borders = [0]
        for place in said if self.learn == "all" else said[-1:]:
            before = encoder.conversation(turns[:place], self.template, begun=True)
            after = encoder.conversation(turns[: place + 1], self.template, begun=False)
            if not (whole.startswith(after) and after.startswith(before) and len(before) < len(after)):
                raise InputError(
                    f"input.template: the chat template changes what was said before turn {place + 1} when it is "
                    "added, so that a model would learn behind another text than it is to write behind: give a "
                    "template that only adds, or set input.learn: last"
                )
            borders += [len(before), len(after)]
        borders.append(len(whole))
        return [(whole[a:b], bool(n % 2)) for n, (a, b) in enumerate(pairwise(borders)) if b > a]

    def shown(self, example: Value) -> Mapping[str, str]:
        """Return each field; of turns their roles and contents."""
        if self.form != "messages":
            return dict(zip((field.name for field in self.fields), example, strict=True))
        turns = (json.loads(turn) for turn in example[0])
        return {"messages": "\n".join(f"{turn['role']}: {turn.get('content', '')}" for turn in turns)}


def _refuse_no_prompt(counts: Sequence[int], room: int) -> None:
    """Raise InputError when the last response fills a window of `room` tokens, so that nothing before it is seen."""
    last = len(counts) - counts[::-1].index(1)
    before = counts[:last][::-1]
    length = before.index(0) if 0 in before else len(before)
    if len(counts) - last + length >= room:
        raise InputError(
            f"tokenize.max_length: found {room}, but a response alone has {length} tokens: give it more, or set "
            "input.long: drop"
        )

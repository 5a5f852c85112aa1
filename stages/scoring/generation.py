"""How responses are written behind their prompts, and by which scores they are compared with those that are wanted."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from stages.core.params import Section
from stages.interfaces import RESPONSES, Input, Target


class Generate(Section):
    """How responses are written behind their prompts, and scored."""

    max_new_tokens: Annotated[int, Field(ge=1, le=100_000, description="tokens of a response at most, [1, 1e5]")] = 128
    stop: Annotated[tuple[str, ...], Field(description="texts that end a response; they are no part of it")] = ()
    beams: Annotated[int, Field(ge=1, le=64, description="texts followed at a time, [1, 64]; 1: greedy")] = 1
    length_penalty: Annotated[float, Field(ge=-10, le=10, description="> 0 makes beams longer, [-10, 10]")] = 1.0
    repetition_penalty: Annotated[float, Field(gt=0, le=10, description="of tokens seen before, (0, 10]; 1: none")] = (
        1.0
    )
    scores: Annotated[
        tuple[Literal["exact_match", "rouge", "bleu", "chrf"], ...],
        Field(min_length=1, description="the main one first"),
    ] = ("exact_match",)
    extract: Annotated[str | None, Field(description="of both texts, what this regular expression finds last")] = None
    normalise: Annotated[
        Literal["none", "lower", "squad", "number"],
        Field(description="how answers are compared: as they are, lower case, as SQuAD does, by their last number"),
    ] = "none"

    @field_validator("extract")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"{str(pattern)[:80]!r} is no regular expression: {error}") from None
        return pattern


def writes(example: Input, target: Target) -> bool:
    """Return whether a model of this task writes the responses of its examples."""
    return target.generates and any(field.kind in RESPONSES for field in example.fields)

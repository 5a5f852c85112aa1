"""Responses as texts: what is wanted, and what a model writes behind the same prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.core.errors import InputError
from stages.encoding import Encoder
from stages.inference.generating import generate, parted
from stages.learning import Part
from stages.models.decoding import Rules
from stages.repro.workers import Group
from stages.scoring.generation import Generate


def responses(
    model: Any, part: Part, encoder: Encoder, asked: Generate, space: Mapping[str, Any], group: Group, label: str
) -> list[tuple[str, str]]:
    """Return (the response that is wanted, the one that `model` writes) for each window of `part`, without blanks at
    their ends.

    Raises InputError for a stop that is none, and where a prompt leaves no room.
    """
    rules = rules_of(asked, encoder, space)
    prompts, wanted = parted(part)
    found = generate(model, prompts, rules, group, label)
    return [(encoder.text(one).strip(), rules.text(two)) for one, two in zip(wanted, found, strict=True)]


def rules_of(asked: Generate, encoder: Encoder, space: Mapping[str, Any]) -> Rules:
    """Return how responses are written. Raises InputError for a stop of which the tokenizer makes nothing."""
    for stop in asked.stop:
        if not encoder.text(next(iter(encoder.located([stop]))).ids).strip():
            raise InputError(
                f"evaluate.generate.stop: nothing is left of {stop!r} in the tokenizer's tokens, so it would never "
                "end a text"
            )
    return Rules(
        asked.max_new_tokens, frozenset(space["ends"]), asked.repetition_penalty, asked.beams, asked.length_penalty,
        asked.stop, encoder.text,
    )  # fmt: skip

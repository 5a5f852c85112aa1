"""Tokens of the text itself, which are hidden from the model: masked language modelling, continued pre-training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field as Key

from stages.core.errors import InputError
from stages.interfaces import Encoder, Field, Value, Window
from stages.targets.answers import Plain


@dataclass(frozen=True)
class Masked(Plain):
    """The tokens that are hidden, others in each epoch (Devlin et al. 2019, arXiv:1810.04805, section 3.1)."""

    probability: Annotated[float, Key(gt=0, lt=1, description="share of the tokens that are hidden, (0, 1)")] = 0.15
    whole_words: bool = False  # whether all tokens of a word are hidden, or none
    fields: ClassVar[Sequence[Field]] = ()
    stored: ClassVar[str] = "words"
    form: ClassVar[str] = "indices"
    by_token: ClassVar[bool] = True

    def space(self, answers: Iterable[Value]) -> dict[str, Any]:
        """Return {"probability": …, "whole_words": …}."""
        return {"probability": self.probability, "whole_words": self.whole_words}

    def completed(self, space: dict[str, Any], encoder: Encoder) -> dict[str, Any]:
        """Return the space with the token that hides others, and the vocabulary. Raises InputError if there is none."""
        if encoder.mask is None:
            raise InputError("target.name: masked needs a mask token, which the tokenizer of the base model has not")
        return {**space, "mask": encoder.mask, "vocabulary": encoder.vocabulary}

    def coder(self, space: Mapping[str, Any]) -> Callable[[Value], None]:
        """Return () -> None: what is learnt is in the example."""
        return lambda answer: None

    def blank(self, example: Value) -> None:
        """Return None."""
        return

    def align(self, stored: None, window: Window) -> list[int]:
        """Return the word of each token, counted from 0 in their order, -1 for a special token."""
        encoding, count, found = window.encoding, -1, []
        before: tuple[int | None, int | None] = (None, None)
        for word, text, special in zip(
            encoding.word_ids, encoding.sequence_ids, encoding.special_tokens_mask, strict=True
        ):
            if special:
                found.append(-1)
                before = (None, None)
                continue
            count += word is None or (text, word) != before
            found.append(count)
            before = (text, word)
        return found

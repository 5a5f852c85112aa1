"""Greedy decoding with a cache of keys and values, in which no row's numbers depend on those beside it.

A prompt is read by itself, in the shape of its own length. Then tokens are written in SLOTS rows at a time, always as
many: where no row is left a slot goes on with a token that nobody reads. Each slot holds as many places as its row can
ever need, rounded up, so every product and sum has a shape that the row alone decides. A row that has come to its end
gives its slot to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stages.core.errors import InputError
from stages.models.packing import is_packed

SLOTS = 32  # rows that are written side by side; changing it changes the bits
STEP = 128  # places by which a slot grows


@dataclass(frozen=True)
class Rules:
    """How a text is written, and where it ends."""

    most: int  # tokens
    ends: frozenset[int] = frozenset()  # tokens that end a text; they are no part of it
    penalty: float = 1.0  # of tokens that stand in prompt or text (Keskar et al. 2019, arXiv:1909.05858, section 4.1)
    beams: int = 1  # texts that are followed at a time; 1: the most probable token, and no other
    length_penalty: float = 1.0  # beams compare the mean of their tokens' log-probabilities, lengths to this power
    stops: Sequence[str] = ()  # texts that end it
    decode: Callable[[Sequence[int]], str] = str  # tokens to text, for stops

    def over(self, written: Sequence[int]) -> bool:
        """Return whether a text ends with the last of its tokens."""
        if written[-1] in self.ends or len(written) >= self.most:
            return True
        if not self.stops:
            return False
        text = self.decode(written)
        return any(stop in text for stop in self.stops)

    def text(self, written: Sequence[int]) -> str:
        """Return the text of the tokens that were written, up to the first stop in it."""
        text = self.decode(written)
        return text[: min([len(text), *(text.index(stop) for stop in self.stops if stop in text)])].strip()


def places(prompt: int, rules: Rules) -> int:
    """Return how many places the slot of a row has whose prompt has `prompt` tokens."""
    return -(-(prompt + rules.most) // STEP) * STEP


def check_room(model: Any, prompts: Sequence[Sequence[int]], rules: Rules) -> None:
    """Raise InputError when the model has too few positions for a prompt and what is written."""
    most = getattr(model.config, "max_position_embeddings", None)
    longest = max(map(len, prompts), default=0)
    if most is not None and longest + rules.most > most:
        raise InputError(
            f"evaluate.generate.max_new_tokens: found {rules.most}, but beside a prompt of {longest} tokens the model "
            f"has {most - longest} more positions"
        )


def greedy(model: Any, prompts: Sequence[Sequence[int]], rules: Rules) -> list[list[int]]:
    """Return the tokens that are written behind each of `prompts`, whose slots have equally many places.

    Each has a token at least. Tokens that end a text are left out.
    """
    with torch.inference_mode():
        found = list((_in_slots if is_packed(model) else _one_by_one)(model, prompts, rules))
    return [written[:-1] if written[-1] in rules.ends else written for written in found]


def _one_by_one(model: Any, prompts: Sequence[Sequence[int]], rules: Rules) -> Iterator[list[int]]:
    """Yield what is written behind each prompt by itself, with the model's own cache: for any architecture."""
    for prompt in prompts:
        written: list[int] = []
        seen, cache = seen_in(model, [prompt]), None
        ids = torch.tensor([list(prompt)], device=model.device)
        while not written or not rules.over(written):
            out = model(input_ids=ids, past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            written.append(int(_chosen(out.logits[:, -1].float(), seen, rules)))
            ids = torch.tensor([written[-1:]], device=model.device)
        yield written


def _in_slots(model: Any, prompts: Sequence[Sequence[int]], rules: Rules) -> list[list[int]]:
    slots = Slots(SLOTS, places(max(map(len, prompts)), rules))
    seen = torch.zeros(SLOTS, model.config.vocab_size, dtype=torch.bool, device=model.device)
    written: list[list[int]] = [[] for _ in prompts]
    rows: list[int | None] = [None] * SLOTS  # in each slot
    waiting = iter(range(len(prompts)))

    def begin(slot: int) -> None:
        """Read the prompts that wait, until one of them wants more than its first token, or none is left."""
        for row in waiting:
            ids = torch.tensor([list(prompts[row])], device=model.device)
            slots.reading = slot
            logits = model(input_ids=ids, past_key_values=slots, use_cache=True, logits_to_keep=1).logits[:, -1]
            seen[slot] = seen_in(model, [prompts[row]])[0]
            written[row].append(int(_chosen(logits.float(), seen[slot : slot + 1], rules)))
            if not rules.over(written[row]):
                rows[slot] = row
                return
        rows[slot] = None

    for slot in range(SLOTS):
        begin(slot)
    while any(row is not None for row in rows):
        ids = torch.tensor([[0 if r is None else written[r][-1]] for r in rows], device=model.device)
        at = torch.tensor(
            [0 if r is None else len(prompts[r]) + len(written[r]) - 1 for r in rows], device=model.device
        )
        mask = slots.begin(at)
        out = model(input_ids=ids, attention_mask=mask, position_ids=at[:, None], past_key_values=slots, use_cache=True)
        tokens = _chosen(out.logits[:, -1].float(), seen, rules).tolist()
        for slot, row in enumerate(rows):
            if row is not None:
                written[row].append(tokens[slot])
                if rules.over(written[row]):
                    begin(slot)
    return written


def seen_in(model: Any, prompts: Sequence[Sequence[int]]) -> Tensor:
    """Return which tokens of the vocabulary stand in each prompt, (B, V)."""
    seen = torch.zeros(len(prompts), model.config.vocab_size, dtype=torch.bool, device=model.device)
    for row, prompt in enumerate(prompts):
        seen[row, list(prompt)] = True
    return seen


def penalised(logits: Tensor, seen: Tensor, rules: Rules) -> Tensor:
    """Return logits (B, V), or log-probabilities, with those of tokens that were `seen` (B, V) made smaller."""
    if rules.penalty == 1:
        return logits
    return torch.where(seen, torch.where(logits < 0, logits * rules.penalty, logits / rules.penalty), logits)


def _chosen(logits: Tensor, seen: Tensor, rules: Rules) -> Tensor:
    """Return the most probable token of each row, (B,), of logits (B, V); mark it as seen, (B, V)."""
    tokens = penalised(logits, seen, rules).argmax(dim=-1)
    seen[torch.arange(len(tokens), device=tokens.device), tokens] = True
    return tokens


class Slots:
    """Keys and values of every layer, (SLOTS, G, C, D) each, in the form in which transformers asks for a cache."""

    def __init__(self, slots: int, places: int) -> None:
        self.slots, self.places = slots, places
        self.held: dict[int, tuple[Tensor, Tensor]] = {}
        self.reading: int | None = None  # the slot of the prompt that is read, or None
        self.at = torch.empty(0)

    def begin(self, at: Tensor) -> Tensor:
        """Go on at the places `at` (SLOTS,); return which places each slot sees then, (SLOTS, 1, 1, C)."""
        self.reading, self.at = None, at
        return (torch.arange(self.places, device=at.device) <= at[:, None])[:, None, None]

    def reorder(self, order: Tensor) -> None:
        """Let each slot go on from what the slot `order` (SLOTS,) holds."""
        for layer, held in self.held.items():
            self.held[layer] = held[0][order], held[1][order]

    def get_seq_length(self, *_: Any) -> int:
        """Return 0: positions are told by themselves, or begin at 0."""
        return 0

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Keep what a layer made of the new tokens, (B, G, L, D); return what it attends to."""
        if layer not in self.held:
            shape = (self.slots, keys.shape[1], self.places, keys.shape[3])
            self.held[layer] = keys.new_zeros(shape), values.new_zeros(shape)
        held = self.held[layer]
        for whole, new in zip(held, (keys, values), strict=True):
            if self.reading is not None:
                whole[self.reading, :, : new.shape[2]] = new[0]
            else:
                whole[torch.arange(self.slots, device=self.at.device), :, self.at] = new[:, :, 0]
        return (keys, values) if self.reading is not None else held

"""Beam search: the texts that are most probable so far are followed side by side, and the best whole one is taken.

The texts of one prompt have the slots to themselves, so its numbers depend on no other prompt. Scores are sums of
log-probabilities, over the length to a power (Wu et al. 2016, arXiv:1609.08144, section 7, without its constants): what
transformers does by num_beams and length_penalty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from stages.core.errors import InputError
from stages.models.decoding import Rules, Slots, penalised, places, seen_in
from stages.models.packing import is_packed


@dataclass
class _Texts:
    """What was written behind one prompt."""

    rules: Rules
    running: list[tuple[float, list[int]]] = field(default_factory=lambda: [(0.0, [])])  # the best first
    whole: list[tuple[float, list[int]]] = field(default_factory=list)  # by score over length, the best first

    def follow(self, scores: Tensor) -> list[int]:
        """Take up the best of `scores` (texts, V); return which text each of the new ones goes on from."""
        width, vocabulary = self.rules.beams, scores.shape[1]
        best, at = scores.flatten().topk(min(2 * width, scores.numel()))
        origin: list[int] = []
        taken: list[tuple[float, list[int]]] = []
        for rank, (score, place) in enumerate(zip(best.tolist(), at.tolist(), strict=True)):
            text = [*self.running[place // vocabulary][1], place % vocabulary]
            if self.rules.over(text):
                if rank < width:
                    self.whole.append((self._weighed(score, len(text)), text))
            elif len(taken) < width:
                taken.append((score, text))
                origin.append(place // vocabulary)
        self.running = taken
        self.whole = sorted(self.whole, key=lambda of: -of[0])[:width]
        return origin

    @property
    def done(self) -> bool:
        """Return whether no text that goes on is better than the whole ones."""
        if not self.running:
            return True
        score, text = self.running[0]
        return len(self.whole) == self.rules.beams and self._weighed(score, len(text)) <= self.whole[-1][0]

    def _weighed(self, score: float, length: int) -> float:
        return score / math.pow(length, self.rules.length_penalty)


def beam_search(model: Any, prompts: Sequence[Sequence[int]], rules: Rules) -> list[list[int]]:
    """Return the tokens of the best text behind each of `prompts`, each of a token at least, without one that ends it.

    Raises InputError for a model that is not computed without padding.
    """
    if not is_packed(model):
        raise InputError(f"evaluate.generate.beams: found {rules.beams}, wanted 1 for a {type(model).__name__}")
    with torch.inference_mode():
        found = [_best(model, prompt, rules) for prompt in prompts]
    return [written[:-1] if written[-1] in rules.ends else written for written in found]


def _best(model: Any, prompt: Sequence[int], rules: Rules) -> list[int]:
    width, device = rules.beams, model.device
    slots, texts = Slots(width, places(len(prompt), rules)), _Texts(rules)
    slots.reading = 0
    ids = torch.tensor([list(prompt)], device=device)
    logits = model(input_ids=ids, past_key_values=slots, use_cache=True, logits_to_keep=1).logits[:, -1]
    seen = seen_in(model, [prompt])
    order = texts.follow(penalised(logits.float().log_softmax(dim=-1), seen, rules))
    while not texts.done:
        count = len(texts.running)
        of = torch.tensor(order + [0] * (width - count), device=device)
        slots.reorder(of)
        seen = seen[of.clamp(max=len(seen) - 1)]
        written = [text for _, text in texts.running] + [texts.running[0][1]] * (width - count)
        last = torch.tensor([text[-1:] for text in written], device=device)
        seen[torch.arange(width, device=device), last[:, 0]] = True
        at = torch.full((width,), len(prompt) + len(written[0]) - 1, device=device)
        mask = slots.begin(at)
        out = model(
            input_ids=last, attention_mask=mask, position_ids=at[:, None], past_key_values=slots, use_cache=True
        )
        steps = penalised(out.logits[:count, -1].float().log_softmax(dim=-1), seen[:count], rules)
        sums = torch.tensor([score for score, _ in texts.running], device=device)
        order = texts.follow(sums[:, None] + steps)
    return texts.whole[0][1]

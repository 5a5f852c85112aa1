"""Texts that a model writes behind prompts: shards of fixed content, shared out among the workers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.core import progress
from stages.core.errors import refusals_told
from stages.learning import Part
from stages.models.beams import beam_search
from stages.models.decoding import Rules, check_room, greedy, places
from stages.repro.draws import undrawn
from stages.repro.workers import Group

SHARD_ROWS = 128  # rows whose slots have equally many places, written by one worker


def generate(model: Any, prompts: Sequence[Sequence[int]], rules: Rules, group: Group, label: str) -> list[list[int]]:
    """Return the tokens that `model` writes behind each of `prompts`, on every worker.

    Prompts are sorted by length and cut into shards. `label` names the progress bar. Raises InputError when the model
    has too few positions, or cannot compute.
    """
    check_room(model, prompts, rules)
    lengths = [len(prompt) for prompt in prompts]
    shards = _shards(lengths, [places(length, rules) for length in lengths])
    training = model.training
    model.eval()
    shown = progress.bar(
        iterable=shards[group.rank :: group.size], desc=label, unit="shard", file=sys.stderr, leave=False,
        disable=None if group.rank == 0 else True,
    )  # fmt: skip
    with undrawn(model), refusals_told(f"{label}: the model cannot write"):
        write = greedy if rules.beams == 1 else beam_search
        mine = [write(model, [prompts[row] for row in shard], rules) for shard in shown]
    model.train(training)
    found: list[list[int]] = [[] for _ in prompts]
    for rank, share in enumerate(group.gather(mine)):
        for shard, texts in zip(shards[rank :: group.size], share, strict=True):
            for row, written in zip(shard, texts, strict=True):
                found[row] = written
    return found


def _shards(lengths: Sequence[int], room: Sequence[int]) -> list[list[int]]:
    """Return rows in shards, the longest prompts first; those of a shard need equally much room."""
    shards: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        if not shards or len(shards[-1]) == SHARD_ROWS or room[shards[-1][0]] != room[row]:
            shards.append([])
        shards[-1].append(row)
    return shards


def parted(part: Part) -> tuple[list[list[int]], list[list[int]]]:
    """Return what stands before the last response of each window, and that response; without one all is a prompt."""
    prompts, responses = [], []
    for ids, counts in zip(part["input_ids"], part["counts"], strict=True):
        learnt = np.flatnonzero(counts)
        gaps = np.flatnonzero(np.diff(learnt) > 1)
        start = int(learnt[gaps[-1] + 1 if len(gaps) else 0]) if len(learnt) else len(ids)
        prompts.append(ids[:start].tolist())
        responses.append(ids[start : int(learnt[-1]) + 1 if len(learnt) else None].tolist())
    return prompts, responses

"""The plan: batches of an ordinary shuffle, shards of like length, balanced halves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.repro.streams import Streams
from stages.training.plan import Plan

LENGTHS = np.random.default_rng(0).integers(3, 97, size=203)


def plan(seed: int = 1, shard_size: int = 4, packed: bool = False) -> Plan:
    return Plan(LENGTHS, batch_size=32, shard_size=shard_size, epochs=2, streams=Streams(seed), packed=packed)


def test_steps_count_the_short_last_batch() -> None:
    assert (plan().steps_per_epoch, plan().steps) == (7, 14)
    assert len(plan().rows(6)) == 203 - 6 * 32


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_epoch_holds_every_row_once(epoch: int) -> None:
    rows = np.concatenate([plan().rows(epoch * 7 + index) for index in range(7)])
    assert sorted(rows) == list(range(203))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    assert list(plan().rows(0)) != list(plan().rows(7))
    assert list(plan().rows(0)) != list(plan(seed=2).rows(0))


def test_a_batch_does_not_depend_on_the_shards_or_on_what_was_asked_before() -> None:
    fresh = plan(shard_size=8)
    assert list(fresh.rows(9)) == list(plan().rows(9))
    walked = plan()
    for step in (3, 12, 1):
        walked.rows(step)
    assert list(walked.rows(9)) == list(plan().rows(9))


@given(size=st.integers(1, 32), step=st.integers(0, 13), packed=st.booleans())
def test_shards_share_out_the_batch(size: int, step: int, packed: bool) -> None:
    found = plan(1, size, packed)
    shards = found.shards(step)
    assert sorted(np.concatenate(shards)) == sorted(found.rows(step))
    assert all(0 < len(s) <= size for s in shards)
    assert len(shards) == -(-len(found.rows(step)) // size)


def test_both_halves_of_the_tree_get_alike_work() -> None:
    work = [LENGTHS[s].max() * len(s) for s in plan().shards(0)]
    assert len(work) == 8
    assert abs(sum(work[:4]) - sum(work[4:])) < 0.1 * sum(work)
    assert abs(sum(work[:2]) - sum(work[2:4])) < 0.2 * sum(work)


def test_packed_shards_get_alike_tokens() -> None:
    tokens = [LENGTHS[s].sum() for s in plan(packed=True).shards(0)]
    assert len(tokens) == 8
    assert max(tokens) - min(tokens) < 0.15 * sum(tokens) / 8


def test_packed_rows_are_dealt_there_and_back_again() -> None:
    found = Plan(np.array([9, 8, 7, 6, 5]), 5, 3, 1, Streams(1), packed=True)
    assert [s.tolist() for s in found.shards(0)] == [[0, 3, 4], [1, 2]]


def test_padded_shards_hold_rows_of_like_length() -> None:
    found = Plan(np.array([9, 8, 7, 6, 5]), 5, 3, 1, Streams(1), packed=False)
    assert [s.tolist() for s in found.shards(0)] == [[0, 1, 2], [3, 4]]

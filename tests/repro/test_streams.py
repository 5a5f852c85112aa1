"""Named streams: what they are, and that none shifts another."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.repro.streams import Streams

seeds = st.integers(0, 2**32 - 1)
names = st.sampled_from(["split", "init", "order", "dropout", "augment"])
indices = st.lists(st.integers(0, 2**40), max_size=3)


@pytest.mark.parametrize(
    ("name", "draw", "key"),
    [
        ("order", (), 7639696457886839673),
        ("order", (1,), 8096665362107683737),
        ("order", (1, 2), 7406625692750010258),
        ("init", (), 1477533567599237116),
    ],
)
def test_keys_of_seed_42(name: str, draw: tuple[int, ...], key: int) -> None:
    """A change of these numbers gives every run other bits: say so in CHANGELOG.md."""
    assert Streams(42).key(name, *draw) == key


def test_a_key_is_the_first_63_bits_of_the_sha256_of_its_path() -> None:
    first = hashlib.sha256(b"reprise/42/order/1/2").digest()[:8]
    assert Streams(42).key("order", 1, 2) == int.from_bytes(first, "big") >> 1


def test_generator() -> None:
    assert Streams(42).generator("order", 3).integers(0, 100, 5).tolist() == [22, 93, 76, 15, 54]


@given(seeds, names, indices)
def test_a_generator_is_fresh_each_time(seed: int, name: str, draw: list[int]) -> None:
    streams = Streams(seed)
    first = streams.generator(name, *draw).random(3).tolist()
    assert streams.generator(name, *draw).random(3).tolist() == first


@given(seeds, names, names, indices, indices)
def test_every_draw_of_every_stream_has_a_key_of_its_own(
    seed: int, one: str, other: str, first: list[int], second: list[int]
) -> None:
    keys = Streams(seed).key(one, *first), Streams(seed).key(other, *second)
    assert (keys[0] == keys[1]) == ((one, first) == (other, second))


@given(seeds, seeds, names, names, indices)
def test_a_pin_moves_its_own_stream_alone(seed: int, pin: int, pinned: str, name: str, draw: list[int]) -> None:
    key = Streams(seed, {pinned: pin}).key(name, *draw)
    assert key == Streams(pin if name == pinned else seed).key(name, *draw)


@given(seeds, names)
def test_null_pins_nothing(seed: int, name: str) -> None:
    assert Streams(seed, {name: None}).key(name) == Streams(seed).key(name)


def test_a_pin_to_zero_is_a_pin() -> None:
    assert Streams(42, {"order": 0}).key("order") == Streams(0).key("order")

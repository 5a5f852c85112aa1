"""Seeds set in the text of params.yaml."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core import yaml12
from stages.core.errors import InputError
from stages.verification.seeding import seeded
from tests.pipeline.closure import ROOT

PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")
SEEDS = st.integers(0, 2**32 - 1)


def test_nothing_else_is_touched() -> None:
    text = "a: 1\nseed: 42   # the one\nseed_streams:\n  split: null  # rows\n  order: null\n\ntrain:\n  order: null\n"
    assert seeded(text, 7, {"order": 3}) == (
        "a: 1\nseed: 7   # the one\nseed_streams:\n  split: null  # rows\n  order: 3\n\ntrain:\n  order: null\n"
    )


@settings(max_examples=15)  # each reads the whole of params.yaml
@given(st.none() | SEEDS, st.dictionaries(st.sampled_from(["split", "init", "order", "dropout", "augment"]), SEEDS))
def test_the_project_s_own_params_have_the_seeds_that_are_set(seed: int | None, streams: dict[str, int]) -> None:
    before, after = (yaml12.values(text, "") for text in (PARAMS, seeded(PARAMS, seed, streams)))
    before["seed"] = before["seed"] if seed is None else seed
    before["seed_streams"] |= streams
    assert after == before


@pytest.mark.parametrize(
    ("text", "streams", "message"),
    [
        ("seeds: 1\n", {}, "params.yaml: found 0 lines `seed: …`"),
        (PARAMS, {"orders": 1}, "params.yaml: seed_streams has no stream 'orders' (nearest: 'order')"),
        ("seed: 1\n", {"order": 1}, "params.yaml: seed_streams has no stream 'order'"),
    ],
)
def test_what_cannot_be_set_is_an_error(text: str, streams: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        seeded(text, 1, streams)

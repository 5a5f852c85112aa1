"""Which models compute without padding."""

from __future__ import annotations

from typing import Any

from stages.learning import Head
from stages.models import causal, packed


def pack(model: Any, head: Head) -> Any:
    """Let `model` compute without padding, in place, where that leaves its outputs as they are."""
    return (causal if head.auto == causal.AUTO else packed).pack(model, head)


def is_packed(model: Any) -> bool:
    """Return whether `pack` has taken effect: then a shard's work goes with its tokens, not with its longest row."""
    return model.config._attn_implementation in (causal.ATTENTION, packed.ATTENTION)

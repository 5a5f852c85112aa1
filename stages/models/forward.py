"""The outputs of a model for some windows of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from stages.learning import Head, Part
from stages.models.batch import collate, prompted, takes_segments
from stages.models.packing import is_packed


def compute(model: Any, head: Head, part: Part, pad: int, device: torch.device) -> Tensor:
    """Return the outputs of the windows of `part`, (M, C), whether computed with padding or without."""
    packed = is_packed(model)
    places = head.places(part)
    if virtual := getattr(model, "virtual_tokens", 0):
        part, places = prompted(part, places, virtual, model.get_input_embeddings().num_embeddings)
    arrays = collate(part, pad, packed, takes_segments(model))
    inputs = {name: value.to(device) for name, value in arrays.items()}
    if places is None:
        return head.read(model(**inputs))
    chosen = torch.from_numpy(places)
    if not packed:  # some tokens are padding
        chosen = arrays["attention_mask"].flatten().nonzero()[:, 0][chosen]
    with _only(model.base_model, chosen.to(device)):
        return head.read(model(**inputs))[0]


@contextmanager
def _only(base: Any, places: Tensor) -> Iterator[None]:
    """Let the head see what `base` makes of the tokens at `places` (M,) alone: (B, L, H) -> (1, M, H)."""

    def pick(_module: Any, _inputs: Any, output: Any) -> Any:
        output.last_hidden_state = output.last_hidden_state.flatten(0, 1).index_select(0, places)[None]
        return output

    handle = base.register_forward_hook(pick)
    try:
        yield
    finally:
        handle.remove()

"""One seed, named streams: every source of randomness is its own function of the seed.

A stream's draw number (i, j, …) is derived by hashing, so there is no generator state to save, and more draws in one
stream never shift another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Streams:
    """The named streams of one seed; `pinned` gives single streams a seed of their own."""

    seed: int
    pinned: Mapping[str, int | None] = field(default_factory=dict)

    def key(self, name: str, *indices: int) -> int:
        """Return the 63-bit number that belongs to draw `indices` of stream `name`."""
        own = self.pinned.get(name)
        seed = self.seed if own is None else own
        text = "/".join(["reprise", str(seed), name, *map(str, indices)])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

    def generator(self, name: str, *indices: int) -> np.random.Generator:
        """Return a fresh NumPy generator (PCG64) for draw `indices` of stream `name`."""
        import numpy as np

        return np.random.Generator(np.random.PCG64(self.key(name, *indices)))

"""The trace: a line a step, chained by hash, by which two runs are compared to the first step at which they part."""

from __future__ import annotations

from collections.abc import Sequence

import xxhash
from torch import Tensor

from stages.core.files import tsv_line
from stages.repro.digests import of_bytes

COLUMNS = ("step", "loss", "grad_norm", "gradient", "chain")


def leaf_digest(leaf: Tensor) -> str:
    """Return the 128-bit XXH3 digest of the bytes of one parameter's gradient.

    XXH3 is fast enough to read every gradient of every step; against a forger the chain, which is SHA-256, and the
    digests of the stage's outputs stand.
    """
    return xxhash.xxh3_128(leaf.detach().contiguous().cpu().numpy().data.cast("B")).hexdigest()


class Trace:
    """Lines of metrics/finetune/trace.tsv."""

    def __init__(self, chain: str) -> None:
        self.chain = chain  # of the last line; empty at the start

    def line(self, step: int, loss: float, norm: float, digests: Sequence[str]) -> str:
        """Return the line of `step` and go on in the chain: each link is the SHA-256 of the one before and the line.

        `digests` are those of the leaves, in order; the line has one of them all.
        """
        cells = (step, loss, norm, xxhash.xxh3_128("".join(digests).encode()).hexdigest())
        self.chain = of_bytes((self.chain + tsv_line(cells)).encode())
        return tsv_line((*cells, self.chain[:32]))

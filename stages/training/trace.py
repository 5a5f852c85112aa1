"""The trace: a line a step, chained by hash, by which two runs are compared to the first step at which they part."""

from __future__ import annotations

from collections.abc import Iterable

import xxhash
from torch import Tensor

from stages.core.files import tsv_line
from stages.repro.digests import of_bytes

COLUMNS = ("step", "loss", "grad_norm", "gradient", "chain")


def gradient_digest(gradients: Iterable[Tensor]) -> str:
    """Return the 128-bit XXH3 digest of the gradients' bytes, in order.

    XXH3 is fast enough to read every gradient of every step; against a forger the chain, which is SHA-256, and the
    digests of the stage's outputs stand.
    """
    digest = xxhash.xxh3_128()
    for gradient in gradients:
        digest.update(gradient.detach().contiguous().cpu().numpy().data.cast("B"))
    return digest.hexdigest()


class Trace:
    """Lines of metrics/finetune/trace.tsv."""

    def __init__(self, chain: str) -> None:
        self.chain = chain  # of the last line; at the start, the digest of what determines the run

    def line(self, step: int, loss: float, norm: float, gradients: Iterable[Tensor]) -> str:
        """Return the line of `step` and go on in the chain: each link is the SHA-256 of the one before and the line."""
        cells = (step, loss, norm, gradient_digest(gradients))
        self.chain = of_bytes((self.chain + tsv_line(cells)).encode())
        return tsv_line((*cells, self.chain[:32]))

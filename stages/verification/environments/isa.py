"""A smaller instruction set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from stages.repro.determinism import ISA
from stages.verification.environments.setting import Setting


@dataclass(frozen=True)
class Isa:
    """The kernels of an older processor: their sums have another order, so other bits are to be expected."""

    harmless: ClassVar[bool] = False
    level: Literal["avx2", "default"] = "avx2"

    def setting(self) -> Setting:
        """Return a run with ATen, oneDNN, MKL and OpenBLAS capped at `level`."""
        return Setting({ISA: self.level})

"""A smaller instruction set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from stages.verification.environments.setting import Setting

# Each variable covers its own library alone, so the three go together. MKL knows no level below AVX2 but "any
# processor", and oneDNN none above SSE4.1 below AVX.
LEVELS = {
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"},
    "default": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
}


@dataclass(frozen=True)
class Isa:
    """The kernels of an older processor: their sums have another order, so other bits are to be expected."""

    harmless: ClassVar[bool] = False
    level: Literal["avx2", "default"] = "avx2"

    def setting(self) -> Setting:
        """Return a run with ATen, oneDNN and MKL capped at `level`."""
        return Setting(LEVELS[self.level])

"""Other numbers of threads asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from stages.verification.environments.setting import Setting

ASKING = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "RAYON_NUM_THREADS")


@dataclass(frozen=True)
class Threads:
    """Every library is asked for `count` threads; the workers are to insist on one."""

    harmless: ClassVar[bool] = True
    count: Annotated[int, Field(ge=1)] = 3

    def setting(self) -> Setting:
        """Return a run in which the user's shell asks for `count` threads."""
        asked = dict.fromkeys(ASKING, str(self.count))
        return Setting({**asked, "OMP_DYNAMIC": "TRUE", "MKL_DYNAMIC": "TRUE", "TOKENIZERS_PARALLELISM": "true"})

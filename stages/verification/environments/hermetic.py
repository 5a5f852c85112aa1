"""Each stage alone with what it declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stages.verification.environments.setting import Setting


@dataclass(frozen=True)
class Hermetic:
    """Each stage in a folder that holds what dvc.yaml lists of it; what else it reads or writes ends the run."""

    harmless: ClassVar[bool] = True

    def setting(self) -> Setting:
        """Return a run of which every stage is hermetic."""
        return Setting(hermetic=True)

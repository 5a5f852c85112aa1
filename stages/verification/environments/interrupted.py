"""Killed at random, started again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from stages.verification.environments.setting import Setting


@dataclass(frozen=True)
class Interrupted:
    """All processes get kill -9 at a random step of the training, and the same command is given again."""

    harmless: ClassVar[bool] = True
    kills: Annotated[int, Field(ge=1, le=20)] = 1

    def setting(self) -> Setting:
        """Return a run that is killed `kills` times."""
        return Setting(kills=self.kills)

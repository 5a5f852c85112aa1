"""Another number of worker processes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import Field

from stages.verification.environments.setting import Setting


def _other() -> int:
    """Return 1 where a run has more than one worker by itself, and 2 where it has one."""
    return 1 if len(os.sched_getaffinity(0)) > 1 else 2


@dataclass(frozen=True)
class Workers:
    """Another number of worker processes, a power of two, at most train.batch_size / train.shard_size."""

    harmless: ClassVar[bool] = True
    count: Annotated[int, Field(ge=1)] = field(default_factory=_other)

    def setting(self) -> Setting:
        """Return a run with `count` workers."""
        return Setting({"REPRISE_WORKERS": str(self.count)})

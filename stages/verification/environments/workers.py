"""Another number of worker processes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import Field

from stages.core.errors import InputError
from stages.verification.environments.setting import Setting


def _other() -> int:
    """Return 1 where a run has more than one worker by itself, and 2 where it has one; a batch of one shard has one."""
    return 1 if len(os.sched_getaffinity(0)) > 1 else 2


def shards(params: Any) -> int | None:
    """Return how many shards a batch has, by the content of params.yaml; None where it does not say."""
    match params:
        case {"train": {"batch_size": int(batch), "shard_size": int(shard)}} if 0 < shard <= batch:
            return batch // shard
    return None


@dataclass(frozen=True)
class Workers:
    """Another number of worker processes, a power of two, at most train.batch_size / train.shard_size."""

    harmless: ClassVar[bool] = True
    count: Annotated[int, Field(ge=1)] = field(default_factory=_other)

    def check(self, most: int) -> None:
        """Raise InputError when a batch of `most` shards does not allow so many: no run would come of it."""
        if self.count > most or self.count & (self.count - 1):
            raise InputError(
                f"--environments: found workers={self.count}, wanted a power of two from 1 to {most}: a batch has as "
                "many shards (train.batch_size / train.shard_size)"
            )

    def setting(self) -> Setting:
        """Return a run with `count` workers."""
        return Setting({"REPRISE_WORKERS": str(self.count)})

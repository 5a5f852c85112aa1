"""How many workers there are, and which of them this process is, as environment variables tell."""

from __future__ import annotations

import os
import re
from pathlib import Path

from stages.core.errors import InputError

SUPERVISOR = "REPRISE_SUPERVISOR"  # set by the supervisor for its workers: its own number,
RENDEZVOUS = "REPRISE_RENDEZVOUS"  # the file through which they meet,
MEMORY = "REPRISE_MEMORY"  # and the descriptor of the memory they share
_MISSING = "missing beside RANK; torchrun sets both (without RANK, this machine's own workers are started)"


def count(most: int) -> int:
    """Return the number of local workers. Raises InputError when REPRISE_WORKERS is no power of two in [1, most]."""
    asked = os.environ.get("REPRISE_WORKERS")
    if asked is None:
        devices = len(list(Path("/dev").glob("nvidia[0-9]*"))) or len(os.sched_getaffinity(0))
        return 1 << (max(1, min(devices, most)).bit_length() - 1)
    workers = _number(asked)
    if workers < 1 or workers & (workers - 1) or workers > most:
        raise InputError(
            f"REPRISE_WORKERS: found {_shown(asked)}, wanted a power of two from 1 to {most} "
            "(train.batch_size / train.shard_size shards can be shared out)"
        )
    return workers


def placement() -> tuple[int, int, int]:
    """Return this worker's rank, the number of all, and its rank on this machine, as the environment tells.

    Raises InputError when something is missing or wrong.
    """
    size = _told("WORLD_SIZE", 1, 1 << 20)
    if size & (size - 1):
        raise InputError(f"WORLD_SIZE: found {size}, wanted a power of two")
    rank = _told("RANK", 0, size - 1)
    local = _told("LOCAL_RANK", 0, size - 1) if "LOCAL_RANK" in os.environ else 0
    if size > 1 and SUPERVISOR not in os.environ:
        _told("MASTER_PORT", 1, 65535)
        if not os.environ.get("MASTER_ADDR"):
            raise InputError(f"MASTER_ADDR: {_MISSING}")
    return rank, size, local


def _told(name: str, least: int, most: int) -> int:
    text = os.environ.get(name)
    if text is None:
        raise InputError(f"{name}: {_MISSING}")
    if not least <= _number(text) <= most:
        raise InputError(f"{name}: found {_shown(text)}, wanted a whole number from {least} to {most}")
    return int(text)


def _number(text: str) -> int:
    """Return the whole number that `text` is, -1 for any other text."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else -1


def _shown(text: str) -> str:
    return repr(text if len(text) <= 20 else f"{text[:20]}…")

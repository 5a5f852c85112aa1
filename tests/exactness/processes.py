"""Which processes are there: those of a session, zombies left out, for not every init reaps them."""

from __future__ import annotations

import time
from pathlib import Path


def of_session(leader: int) -> list[int]:
    """Return the living processes of the session that `leader` began."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        if int(fields[3]) == leader and fields[0] not in "ZX":
            found.append(int(entry.parent.name))
    return found


def all_gone(leader: int, seconds: float = 10) -> bool:
    """Return whether nothing of the session is left, after at most `seconds`."""
    deadline = time.monotonic() + seconds
    while of_session(leader):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True

"""Which processes are there: those of a session, zombies left out, for not every init reaps them."""

from __future__ import annotations

import time
from pathlib import Path


def alive(process: int) -> bool:
    """Return whether there is such a process, and it is no zombie."""
    try:
        return _fields(Path(f"/proc/{process}/stat"))[0] not in "ZX"
    except OSError:
        return False


def _fields(file: Path) -> list[str]:
    """Return what a stat file says behind the command's name: state, parent, group, session, …"""
    return file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def of_session(leader: int) -> list[int]:
    """Return the living processes of the session that `leader` began."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = _fields(entry)
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

"""Locks between processes, and which processes live and are meant: a number alone says little.

A zombie keeps its number, the kernel gives it out again, and in a container it names another process than outside.
Told by /proc, where there is one that knows this process; elsewhere by whether a number is in use.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any, NoReturn

from stages.core.errors import InputError

PROC = Path("/proc")
STAGE = "DVC_STAGE"  # in the environment of what dvc runs, and not in its own
_PAUSE = 0.2  # seconds between two looks
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)  # answers of file systems that have none


def started(pid: int) -> int | None:
    """Return when a living process started, in clock ticks, which with its number tells it from any other.

    None when there is no such process or only a zombie; 0 when it cannot be told.
    """
    if pid < 1:
        return None
    if not _known():
        return 0 if _in_use(pid) else None
    fields = _fields(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else None


def runs(pid: int, command: str, folder: Path) -> bool:
    """Return whether `pid` is a living process whose command line ends with `command` and that works below `folder`.

    What cannot be seen of another user's process is taken to be so.
    """
    if started(pid) is None:
        return False
    if not _known():
        return True
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
        if not " ".join(words).endswith(command):
            return False
        return (PROC / str(pid) / "cwd").resolve().is_relative_to(folder.resolve())
    except PermissionError:
        return True
    except OSError:
        return False  # it ended while we looked


def end_with_dvc(command: str) -> None:
    """End this process, as on SIGTERM, when the dvc that runs it as a stage is gone; do nothing for any other parent.

    Nobody would take its result up, and the next dvc would be told to wait for it. Call from the main thread.
    """
    dvc = _dvc()
    if dvc is None:
        return
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_wait, args=(command, *dvc), daemon=True).start()


def _leave(number: int, _: Any) -> NoReturn:
    raise SystemExit(128 + number)


def _wait(command: str, dvc: int, since: int) -> None:
    while started(dvc) == since:
        time.sleep(_PAUSE)
    with contextlib.suppress(OSError):  # whoever read this may be gone too
        print(f"{command}: dvc (process {dvc}) is gone, so this ends", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)


def _dvc() -> tuple[int, int] | None:
    """Return number and start of the dvc that runs this process: the nearest above it without STAGE, or None."""
    pid = os.getpid()
    while STAGE in os.environ and _known():
        fields = _fields(pid)
        pid = int(fields[1]) if fields else 0
        since = started(pid)
        if since is None:
            return None
        try:
            if f"{STAGE}=".encode() not in (PROC / str(pid) / "environ").read_bytes():
                return pid, since
        except OSError:  # another user's, so no dvc that could have started this
            return None
    return None


def _known() -> bool:
    """Return whether /proc is that of our processes: in a new namespace it may still be that of another."""
    try:
        return (PROC / "self").readlink().name == str(os.getpid())
    except OSError:
        return False


def _fields(pid: int) -> list[str]:
    """Return what /proc says of a process behind the name of its command: state, parent, group, …; [] of none."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _in_use(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def taken(file: IO[Any], variable: str, wait: bool = False) -> bool:
    """Take the lock of `file` until it is closed; return False when another process holds it and we do not `wait`.

    variable: the environment variable that puts the file elsewhere.

    Raises InputError that names it where the file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise InputError(
            f"{file.name}: this file system has no locks ({os.strerror(error.errno)}): "
            f"set {variable} to a folder on a local disk"
        ) from error
    return True

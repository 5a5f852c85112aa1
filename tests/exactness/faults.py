"""Faults at a chosen write of a run, put in by an audit hook: the code under test knows nothing of them."""

from __future__ import annotations

import errno
import fnmatch
import os
import resource
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

PLACES = (".reprise/", "metrics/", "models/")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
SHORT = 100  # bytes after which a file takes no more: what is written over it is a short write, then EFBIG


def arm(do: str, at: str = "*", which: int = 0, log: str | None = None, seconds: float = 0.0) -> None:
    """Let the `which`-th (from 0) write of worker 0 that matches `at`, such as "open *.tsv", meet the fault `do`.

    do: "kill" ends supervisor and worker by SIGKILL; "ENOSPC" and "EIO" make that one write fail; "short" cuts it and
    all after it short, below Python, by a limit of the kernel; "list" notes every write in the file `log`. "timeout"
    sets how long workers wait for each other.
    """
    if do == "timeout":
        from stages.repro import group

        group.TIMEOUT = timedelta(seconds=seconds)
        return
    seen, sync, here = iter(range(10**9)), os.fsync, f"{Path.cwd()}/"

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        path = written(event, arguments, here)
        if path is None or os.environ.get("RANK") != "0" or not fnmatch.fnmatch(f"{event} {path}", at):
            return
        if do == "list":
            with Path(log or os.devnull).open("a") as file:
                file.write(f"{event} {path}\n")
        elif next(seen) == which:
            strike(do, path)

    def fsync(descriptor: int) -> None:
        sys.audit("os.fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    os.fsync = fsync
    sys.addaudithook(hook)


def written(event: str, arguments: tuple[Any, ...], here: str) -> str | None:
    """Return the path, relative to `here`, that an audit event writes among PLACES; None for other events."""
    if event not in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.fsync"):
        return None
    path = arguments[1 if event == "os.rename" else 0]
    if not isinstance(path, (str, bytes, os.PathLike)) or (event == "open" and not arguments[2] & WRITES):
        return None
    name = os.fsdecode(path).removeprefix(here)
    return name if name.startswith(PLACES) else None


def strike(do: str, path: str) -> None:
    """Do the fault."""
    if do == "kill":
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    elif do == "short":
        resource.setrlimit(resource.RLIMIT_FSIZE, (SHORT, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    else:
        raise OSError(getattr(errno, do), os.strerror(getattr(errno, do)), path)

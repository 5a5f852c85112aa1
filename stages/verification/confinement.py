"""A command that can neither read some folders nor write to most of the disk, whatever programs it runs.

    python -I confinement.py JSON COMMAND …

It gets mounts of its own (a Linux mount namespace; who is not root gets a user namespace too): the folders are empty
and all is read-only but the places named. JSON holds the arguments of `confine`. It stands on the standard library
alone, and makes itself the command. It is no wall against a program that means to break out.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

NAME = "mount namespace"
_NEWNS, _NEWUSER = 0x20000, 0x10000000  # of unshare(2)
_BIND, _REC, _PRIVATE = 0x1000, 0x4000, 0x40000  # of mount(2)
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _RDONLY = 442, -100, 0x8000, 1  # one number on every architecture


def prefix(hidden: list[Path], shown: list[Path], writable: list[Path], python: str = sys.executable) -> list[str]:
    """Return what to put before a command to confine it (see `confine`); [] where the system does not let us."""
    given = {
        "hidden": [str(path.resolve()) for path in hidden],
        "shown": [str(path.absolute()) for path in shown],
        "writable": [str(path.resolve()) for path in writable if path.exists()],
    }
    command = [python, "-I", __file__, json.dumps(given)]
    if sys.platform != "linux":
        return []
    trial = subprocess.run([*command, "true"], cwd=os.sep, capture_output=True, check=False)  # here may be hidden
    return [] if trial.returncode else command


def confine(hidden: list[str], shown: list[str], writable: list[str]) -> None:
    """Empty the folders `hidden`, but for what of `shown` and `writable` lies below, and make all else read-only.

    All are absolute paths; `writable` stay as they are. Raises OSError where the system does not let us.
    """
    here, places = Path.cwd(), sorted({*shown, *writable})
    _unshare()
    _mount(None, "/", None, _REC | _PRIVATE)
    open_now = {place: os.open(place, os.O_PATH) for place in places}
    above = [place for place in places if not _below(place, hidden)]
    for place in above:
        if place in writable:
            _mount(place, place, None, _BIND | _REC)
    for folder in sorted(hidden):
        if not _below(folder, [other for other in hidden if other != folder]):
            _mount("tmpfs", folder, "tmpfs", 0)
    for place in places:
        if place not in above:
            Path(place).mkdir(parents=True, exist_ok=True)
            _mount(f"/proc/self/fd/{open_now[place]}", place, None, _BIND | _REC)
    _set_read_only("/", True, _AT_RECURSIVE)
    for place in writable:
        _set_read_only(place, False, 0)
    for descriptor in open_now.values():
        os.close(descriptor)
    os.chdir(here)


def _below(path: str, folders: list[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _unshare() -> None:
    user, group = os.getuid(), os.getgid()
    try:
        _checked(_libc.unshare(_NEWNS), "unshare")
    except PermissionError:
        _checked(_libc.unshare(_NEWNS | _NEWUSER), "unshare")
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path(f"/proc/self/{name}").write_text(text, encoding="ascii")


def _mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    words = (None if word is None else os.fsencode(word) for word in (source, target, kind))
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), None), target)


def _set_read_only(place: str, on: bool, flags: int) -> None:
    attributes = struct.pack("QQQQ", _RDONLY if on else 0, 0 if on else _RDONLY, 0, 0)
    path, size = os.fsencode(place), ctypes.c_size_t(len(attributes))
    _checked(_libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, path, flags, attributes, size), place)


def _checked(code: int, name: str) -> None:
    if code:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)


_libc = ctypes.CDLL(None, use_errno=True)

if __name__ == "__main__":
    confine(**json.loads(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])

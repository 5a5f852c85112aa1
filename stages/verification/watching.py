"""What a process of a stage opens, lists, makes and removes in the project: told by Python's audit events.

Its text is run by Python before anything else, as sitecustomize.py in a folder on PYTHONPATH, so it stands on the
standard library alone. It does nothing unless REPRISE_WATCHED is set (see hermetic.py). Child processes inherit it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

WATCHED = "REPRISE_WATCHED"  # JSON: the arguments of `hook`
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_FROZEN = ("<frozen importlib", "<frozen zipimport", "<frozen runpy", "<frozen site")  # not <frozen os>: it has walk
_SEARCHES = (*_FROZEN, os.path.join(os.path.dirname(os.__file__), "importlib", ""))  # noqa: PTH118, PTH120
_FIRST, _SECOND, _BOTH = slice(0, 1), slice(1, 2), slice(0, 2)
# Event -> its arguments that are paths, what it does, whether the last one may be the folder they are relative to.
_EVENTS = {
    "os.listdir": (_FIRST, "lists", False),
    "os.scandir": (_FIRST, "lists", False),
    "os.truncate": (_FIRST, "writes", False),
    "os.mkdir": (_FIRST, "writes", True),
    "os.rename": (_BOTH, "writes", True),
    "os.link": (_SECOND, "writes", True),
    "os.symlink": (_SECOND, "writes", True),
    "os.remove": (_FIRST, "removes", True),
    "os.rmdir": (_FIRST, "removes", True),
}


def hook(
    sandbox: str, project: str, reads: list[str], writes: list[str], free: list[str], log: str
) -> Callable[[str, Any], None]:
    """Return an audit hook that writes a line to `log` for each path that is neither in `reads` nor in `writes`.

    Both are relative to the absolute path `sandbox`, and stand for what lies below them too. Nothing of the absolute
    path `project` may be touched, but for what lies below one of `free`. Other places are not watched, nor is what has
    no path: an open file, and what is relative to one. Python's own search for modules and packages is no reading.
    """
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    told: set[bytes] = set()

    def tell(verb: str, path: Any) -> None:
        if isinstance(path, int):
            return
        name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 (links are not followed)
        inner = _inner(name, sandbox)
        if inner is not None:
            allowed = [*reads, *writes] if verb in ("reads", "lists") else writes
            if any(_inner(inner, known) is not None for known in allowed):
                return
            if verb != "reads" and any(_inner(known, inner) is not None for known in writes):
                return  # a folder above an output; it is empty when it is removed
        elif _inner(name, project) is None or any(_inner(name, known) is not None for known in free):
            return
        line = f"{verb} {name if inner is None else inner}\n".encode()
        if line not in told:
            told.add(line)
            os.write(file, line)

    def heard(event: str, arguments: Any) -> None:
        if event == "open":
            path, _, flags = arguments
            writing = isinstance(flags, int) and flags & _WRITING
            folder = not writing and os.path.isdir(path)  # noqa: PTH112 (may be bytes or a number)
            if not folder and not _searching():  # a folder is opened to be synced
                tell("writes" if writing else "reads", path)
        elif event in _EVENTS and not _searching():
            paths, verb, relative = _EVENTS[event]
            if not relative or arguments[-1] == -1:
                for path in arguments[paths]:
                    tell(verb, path or ".")

    return heard


def _inner(path: str, folder: str) -> str | None:
    """Return `path` relative to `folder`, "." when it is the same, None when it does not lie below."""
    if path == folder:
        return "."
    return path[len(folder) + 1 :] if path.startswith(f"{folder}{os.sep}") else None


def _searching() -> bool:
    """Tell whether Python's import system, or what removes a folder by open files, caused the event being heard."""
    frame: Any = sys._getframe()
    while frame.f_code.co_filename == __file__:  # this hook, and what else stands in sitecustomize.py
        frame = frame.f_back
    code = frame.f_code
    return bool(code.co_filename.startswith(_SEARCHES) or code.co_name == "_rmtree_safe_fd")


if WATCHED in os.environ:
    sys.addaudithook(hook(**json.loads(os.environ[WATCHED])))

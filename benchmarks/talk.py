"""What the measuring process and its sides say to each other: one JSON object a line, over a local socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Commands = Mapping[str, Callable[..., dict[str, Any]]]


class Line:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rw", encoding="utf-8")
        connection.close()  # the file keeps it open

    def say(self, value: Mapping[str, Any]) -> None:
        """Send one object. Raises OSError when nobody listens any more."""
        self._file.write(json.dumps(value) + "\n")
        self._file.flush()

    def hear(self) -> dict[str, Any] | None:
        """Return the next object, or None when the other end is gone."""
        try:
            text = self._file.readline()
        except OSError:
            return None
        return json.loads(text) if text.endswith("\n") else None

    def close(self) -> None:
        """Hang up: the other end hears None."""
        self._file.close()


def call(address: str) -> Line:
    """Connect to the measuring process, which listens at the socket `address`."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    return Line(connection)


def serve(line: Line, commands: Commands) -> None:
    """Do what is asked, one command after another, until the other end is gone."""
    while (asked := line.hear()) is not None:
        line.say(commands[asked.pop("do")](**asked))


def peak_mb() -> float:
    """Return the largest resident size of this process, in MiB.

    Not of getrusage: that begins with the size of the process by which this one was started.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024

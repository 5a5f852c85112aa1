"""Live progress: a line for each environment."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from typing import TextIO

from stages.core.shown import terminal


class Board:
    """On a terminal the lines are drawn anew as things go on; elsewhere each is printed once, when it is done."""

    def __init__(self, names: Sequence[str], out: TextIO = sys.stderr) -> None:
        self._out, self._live = out, out.isatty()
        self._width = max(map(len, names), default=0)
        self._now = dict.fromkeys(names, "waiting")
        self._done: set[str] = set()
        self._guard = threading.Lock()
        self._drawn = 0
        self._last = 0.0

    def tell(self, name: str, text: str) -> None:
        """Say what `name` is doing."""
        with self._guard:
            if name not in self._done and self._now[name] != text:
                self._now[name] = text
                if self._live and time.monotonic() - self._last > 0.1:
                    self._draw()

    def done(self, name: str, text: str) -> None:
        """Say how `name` came out."""
        with self._guard:
            self._now[name] = text
            self._done.add(name)
            if self._live:
                self._draw()
            else:
                print(self._line(name), file=self._out, flush=True)

    def _line(self, name: str) -> str:
        return f"{name:<{self._width}}  {terminal(self._now[name])}"

    def _draw(self) -> None:
        self._last = time.monotonic()
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        self._out.write(up + "".join(f"\x1b[2K{self._line(name)[:118]}\n" for name in self._now))
        self._out.flush()
        self._drawn = len(self._now)

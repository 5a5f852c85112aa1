"""A tracker at arm's length: a thread of its own, so that one that fails or hangs holds nobody up."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from stages.core import cli

PATIENCE = 60.0  # seconds that a tracker has at the end


class Tracker(Protocol):
    """Shows one run; made with the run's name and its params by dotted key."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Show the values of a step; steps rise."""

    def end(self, step: int, summary: Mapping[str, float], record: Mapping[str, Any], succeeded: bool) -> None:
        """Show what came out of all `step` steps, and close."""


class Sender:
    """Hands a tracker what there is to show; its first fault is told on standard error, and ends it alone."""

    def __init__(self, name: str, make: Callable[[], Tracker]) -> None:
        self.name = name
        self._make = make
        self._waiting: queue.SimpleQueue[Callable[[Tracker], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def send(self, call: Callable[[Tracker], None]) -> None:
        """Have `call` done, after those sent before."""
        self._waiting.put(call)

    def close(self, patience: float = PATIENCE) -> None:
        """Wait for what was sent, as long as `patience` seconds."""
        self._waiting.put(None)
        self._thread.join(patience)
        if self._thread.is_alive():
            self._warn(f"still busy after {patience:.0f} s, and left alone")

    def _work(self) -> None:
        try:
            tracker = self._make()
            while (call := self._waiting.get()) is not None:
                call(tracker)
        except (Exception, SystemExit) as error:  # whatever a tracker does is no fault of the run
            said = (str(error).strip().splitlines() or [""])[0]
            self._warn(f"gives up: {type(error).__name__}: {said}")

    def _warn(self, text: str) -> None:
        cli.say(f"track: warning: {self.name} {text}; the run goes on")

"""A tracker at arm's length: order kept, faults told once, nobody waits for one that hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from stages.tracking.sender import Sender


class Listed:
    """Notes what it is told; fails at the step `fails`."""

    def __init__(self, fails: int | None = None) -> None:
        self.steps: list[int] = []
        self._fails = fails

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if step == self._fails:
            raise ConnectionError("no route\nmore")
        self.steps.append(step)

    def end(self, step: int, summary: Mapping[str, float], record: Mapping[str, Any], succeeded: bool) -> None:
        self.steps.append(-step)


def test_what_is_sent_is_done_in_order(capfd: pytest.CaptureFixture[str]) -> None:
    listed = Listed()
    sender = Sender("listed", lambda: listed)
    for step in range(100):
        sender.send(lambda tracker, step=step: tracker.log(step, {}))
    sender.send(lambda tracker: tracker.end(7, {}, {}, True))
    sender.close()
    assert listed.steps == [*range(100), -7]
    assert capfd.readouterr().err == ""


def test_the_first_fault_is_told_and_ends_the_tracker_alone(capfd: pytest.CaptureFixture[str]) -> None:
    listed = Listed(fails=2)
    sender = Sender("listed", lambda: listed)
    for step in range(5):
        sender.send(lambda tracker, step=step: tracker.log(step, {}))
    sender.close()
    assert listed.steps == [0, 1]
    assert capfd.readouterr().err == "track: warning: listed gives up: ConnectionError: no route; the run goes on\n"


@pytest.mark.parametrize("error", [OSError("refused"), SystemExit("login first"), KeyError("x")])
def test_a_tracker_that_cannot_begin_is_told_too(error: BaseException, capfd: pytest.CaptureFixture[str]) -> None:
    def make() -> Listed:
        raise error

    Sender("listed", make).close()
    assert capfd.readouterr().err.startswith(f"track: warning: listed gives up: {type(error).__name__}: ")


def test_one_that_hangs_is_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    free = threading.Event()
    sender = Sender("listed", Listed)
    sender.send(lambda _: free.wait(30))
    began = time.monotonic()
    sender.close(patience=0.2)
    assert time.monotonic() - began < 5
    assert capfd.readouterr().err == "track: warning: listed still busy after 0 s, and left alone; the run goes on\n"
    free.set()

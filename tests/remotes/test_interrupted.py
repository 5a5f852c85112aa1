"""kill -9 in the midst of a push or a pull: the same command goes on, and no object is left torn."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages import objects
from tests.remotes.conftest import Clone, Remote, serve

AFTER = 200_000  # bytes of some 640,000 at which the transfer stands still


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[Remote]:
    yield from serve("ssh", tmp_path)


def killed(clone: Clone, remote: Remote, command: str) -> None:
    """Kill DVC while a transfer stands still."""
    remote.stall.after = AFTER
    process = clone.start("dvc", command)
    assert remote.stall.standing.wait(120)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    remote.stall.let_go()


def test_a_push(first: Clone, ssh: Remote) -> None:
    first.use(ssh)
    killed(first, ssh, "push")
    first.run("dvc", "push")
    assert first.run("stages.objects", "--remote", "there").splitlines()[1] == "remote there: 5 objects, 5 whole"


def test_a_pull(first: Clone, second: Clone, ssh: Remote) -> None:
    first.use(ssh)
    first.run("dvc", "push")
    second.use(ssh)
    killed(second, ssh, "pull")
    second.run("dvc", "pull")
    assert second.files() == first.files()
    with second.here():
        assert objects.check(None, mend=False)

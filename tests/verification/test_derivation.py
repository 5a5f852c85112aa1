"""A derivation is of a DVC project, and never outlives the command that began it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.project import git
from stages.verification.derivation import Commit, guarded, prepare
from stages.verification.environments import Setting
from tests.exactness.processes import alive
from tests.project.repository import Repository
from tests.tiny import ROOT

BEGUN = """
import subprocess, time
from stages.verification.derivation import guarded
begun = subprocess.Popen(["sh", "-c", "sleep 60; true"], start_new_session=True, stdout=subprocess.DEVNULL)
with guarded(begun.pid):
    print(begun.pid, flush=True)
    time.sleep(60)
"""


def test_a_commit_that_is_no_dvc_project_is_refused(tmp_path: Path) -> None:
    made = Repository(tmp_path / "own")
    made.root.mkdir()
    made.git("init", "-q", "-b", "main")
    made.put("dvc.yaml", "stages: {}\n")
    made.commit()
    sha = git.commit(made.root, "HEAD")
    with pytest.raises(InputError, match=rf"^commit {sha[:12]} has no .dvc, so it is no DVC project"):
        prepare(Commit(made.root, sha), Setting(), tmp_path / "place")


def test_killed_by_kill_9_it_takes_its_derivation_along() -> None:
    command = subprocess.Popen(
        [sys.executable, "-c", BEGUN], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
    )
    assert command.stdout is not None
    begun = int(command.stdout.readline())
    assert alive(begun)
    command.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while alive(begun):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    command.communicate()


def test_what_ended_by_itself_is_left_alone() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 0.2; exit 3"], start_new_session=True) as begun, guarded(begun.pid):
        assert begun.wait() == 3


def test_nothing_that_is_committed_can_pass_for_derived(tmp_path: Path) -> None:
    made = Repository(tmp_path / "own")
    for name in (".dvc/config", "dvc.lock", "metrics/data.json"):
        made.put(name, "")
    made.git("init", "-q", "-b", "main")
    made.commit()
    clone = prepare(Commit(made.root, "HEAD"), Setting(), tmp_path / "place")
    assert sorted(path.name for path in clone.iterdir()) == [".dvc", ".git"]

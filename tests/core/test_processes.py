"""Which processes live, and which are meant; locks."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.core import processes
from stages.core.errors import InputError
from tests.tiny import ROOT

WAIT = "import time; print('ready', flush=True); time.sleep(60)"


@pytest.fixture
def child(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that waits, in a folder of its own."""
    process = subprocess.Popen([sys.executable, "-c", WAIT, "dvc", "repro"], cwd=tmp_path, stdout=-1, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    with process:
        yield process
        process.kill()


def zombie(process: subprocess.Popen[str]) -> None:
    """Kill the process and wait until it is a zombie, which nobody has reaped."""
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def test_a_living_process_has_one_start(child: subprocess.Popen[str]) -> None:
    since = processes.started(child.pid)
    assert since is not None
    assert since >= (processes.started(os.getpid()) or 0) > 0
    assert processes.started(child.pid) == since


def test_a_zombie_and_no_process_do_not_live(child: subprocess.Popen[str]) -> None:
    zombie(child)
    assert processes.started(child.pid) is None
    assert not processes.runs(child.pid, "dvc repro", Path("/"))
    child.wait()
    assert [processes.started(pid) for pid in (child.pid, 0, -1, 1 << 30)] == [None] * 4


def test_what_a_process_runs_and_where(child: subprocess.Popen[str], tmp_path: Path) -> None:
    assert processes.runs(child.pid, "dvc repro", tmp_path)
    assert processes.runs(child.pid, "dvc repro", tmp_path.parent)
    assert not processes.runs(child.pid, "dvc exp run", tmp_path)
    assert not processes.runs(child.pid, "dvc repro", tmp_path / "other")
    assert not processes.runs(1, "dvc repro", Path("/"))


def test_without_a_proc_of_our_own_a_number_in_use_is_all_that_is_known(
    child: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/self").symlink_to("1")
    for proc in ("none", "foreign"):
        monkeypatch.setattr(processes, "PROC", tmp_path / proc)
        assert processes.started(child.pid) == 0
        assert processes.runs(child.pid, "another", tmp_path)
    child.kill()
    child.wait()
    assert processes.started(child.pid) is None


STAGE = """
import os, sys, time
from stages.core.processes import end_with_dvc
end_with_dvc("stage")
try:
    print(os.getpid(), flush=True)
    time.sleep(float(sys.argv[1]))
    print("done", flush=True)
finally:
    print("tidied", flush=True)
"""
# What dvc does: it runs a shell that runs the stage, with DVC_STAGE set. The shells here stay, or the stage takes over.
DVC = "import subprocess, sys; subprocess.run(sys.argv[1:], env={**__import__('os').environ, %s})"


def stage(variable: str, shell: str, seconds: str) -> tuple[subprocess.Popen[str], int]:
    """Start a stand-in for dvc whose stage sleeps; return it and the stage's number once it has begun."""
    dvc = subprocess.Popen(
        [sys.executable, "-c", DVC % variable, "sh", "-c", shell, sys.executable, STAGE, seconds],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert dvc.stdout is not None
    return dvc, int(dvc.stdout.readline())


@pytest.mark.parametrize("shell", ['exec "$0" -c "$@"', '"$0" -c "$@"; true'])
def test_a_stage_ends_in_order_when_its_dvc_is_gone(shell: str) -> None:
    dvc, _ = stage("'DVC_STAGE': 'stage'", shell, "60")
    dvc.send_signal(signal.SIGKILL)
    began = time.monotonic()
    printed, errors = dvc.communicate(timeout=30)  # to the end of the stage, which holds the pipes
    assert time.monotonic() - began < 10
    assert printed == "tidied\n"
    assert errors == f"stage: dvc (process {dvc.pid}) is gone, so this ends\n"


def test_a_command_whose_shell_ends_goes_on() -> None:
    shell, _ = stage("", 'exec "$0" -c "$@"', "1")
    shell.send_signal(signal.SIGKILL)
    assert shell.communicate(timeout=30) == ("done\ntidied\n", "")


def test_one_has_it_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as first, path.open("w") as second:
        assert processes.taken(first, "REPRISE_SCRATCH")
        assert not processes.taken(second, "REPRISE_SCRATCH")
        first.close()
        assert processes.taken(second, "REPRISE_SCRATCH", wait=True)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def flock(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    wanted = (
        f"{tmp_path / 'lock'}: this file system has no locks ({os.strerror(code)}): "
        "set REPRISE_SCRATCH to a folder on a local disk"
    )
    with (tmp_path / "lock").open("w") as file, pytest.raises(InputError, match=f"^{re.escape(wanted)}$"):
        processes.taken(file, "REPRISE_SCRATCH")

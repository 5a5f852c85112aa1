"""How many workers there are, one run at a time, and what becomes of a run whose worker fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.repro import workers
from tests.tiny import ROOT

PLAY = """
import os, signal, sys, time
from stages.core.cli import errors_told
from stages.core.errors import InputError
from stages.repro import workers
rank = int(os.environ.get("RANK", "-1"))

def work(group):
    part = sys.argv[1]
    if part == "gather":
        os.write(1, f"{group.gather(rank)}\\n".encode())  # one write: two workers share the pipe
    elif part == "refuse":
        raise InputError("the one reason")
    elif part == "crash" and rank == 1:
        raise RuntimeError("a fault of worker 1")
    elif part == "vanish" and rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    elif part in ("crash", "vanish", "wait"):
        time.sleep(600)

with errors_told("play"):
    workers.run("play", work, most=4)
"""


def test_a_lock_is_held_until_its_file_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SCRATCH", tmp_path / "scratch")
    with workers.lock("finetune"):
        with pytest.raises(InputError, match=rf"finetune is already running in this folder \(process {os.getpid()}\)"):
            workers.lock("finetune")
        workers.lock("evaluate").close()
    workers.lock("finetune").close()


@pytest.mark.parametrize(
    ("place", "message"),
    [("file", "cannot be used: File exists"), ("file/deep", "cannot be used: Not a directory")],
)
def test_a_scratch_folder_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, message: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(workers, "SCRATCH", tmp_path / place)
    with pytest.raises(InputError) as caught:
        workers.lock("finetune")
    assert str(caught.value) == f"{tmp_path / place}: {message} (REPRISE_SCRATCH sets another folder)"


def test_an_empty_scratch_folder_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_SCRATCH", "")
    with pytest.raises(InputError, match="^REPRISE_SCRATCH: found '', wanted a folder$"):
        workers.lock("finetune")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "play.py").write_text(PLAY)
    (tmp_path / "stages").symlink_to(ROOT / "stages")
    return tmp_path


def play(folder: Path, part: str, count: str = "2") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "play", part], cwd=folder, env={**os.environ, "REPRISE_WORKERS": count}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_workers_meet(folder: Path) -> None:
    process = play(folder, "gather")
    assert sorted(process.communicate(timeout=120)[0].splitlines()) == ["[0, 1]", "[0, 1]"]
    assert process.returncode == 0


def test_a_refusal_is_said_once(folder: Path) -> None:
    process = play(folder, "refuse")
    assert process.communicate(timeout=120)[1] == "play: error: the one reason\n"
    assert process.returncode == 2


def test_a_crash_is_told_and_ends_the_others(folder: Path) -> None:
    process = play(folder, "crash")
    said = process.communicate(timeout=120)[1]  # long before worker 0 has slept enough
    assert "play: error: internal error: RuntimeError: a fault of worker 1 " in said
    assert process.returncode == 2


def test_a_vanished_worker_is_named(folder: Path) -> None:
    process = play(folder, "vanish")
    assert "worker 1 was ended by SIGKILL (the system may be out of memory)" in process.communicate(timeout=120)[1]
    assert process.returncode == 1


def test_a_signal_is_passed_on_and_gives_its_code(folder: Path) -> None:
    process = play(folder, "wait", "1")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 30
    while not children.read_text().split():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=120)[1] == "play: interrupted\n"
    assert process.returncode == 143


INIT = """
import subprocess, sys, time
process = subprocess.Popen(sys.argv[1:])
while process.poll() is None:  # and whatever else becomes its child stays a zombie
    time.sleep(0.02)
sys.exit(process.returncode)
"""


@pytest.mark.parametrize("app", [False, True])
def test_in_a_container(folder: Path, app: bool) -> None:
    """The command is process 1 of a PID namespace, or a child of an app that is and reaps nobody."""
    command = [sys.executable, *(["-c", INIT, sys.executable] if app else []), "-m", "play", "gather"]
    ran = subprocess.run(
        ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", *command], cwd=folder,
        env={**os.environ, "REPRISE_WORKERS": "1"}, text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    if ran.stderr.startswith("unshare: "):
        return  # the kernel allows none here; the next test is what is left
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "[0]\n", "")


def test_a_worker_whose_supervisor_is_gone_says_so(folder: Path) -> None:
    environment = {"RANK": "0", "WORLD_SIZE": "1", "REPRISE_SUPERVISOR": "1"}
    ran = subprocess.run(
        [sys.executable, "-m", "play", "gather"], cwd=folder, env={**os.environ, **environment}, text=True,
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert ran.stderr == "play: error: the process that started this worker (process 1) is gone: the run ends\n"

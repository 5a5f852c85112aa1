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
        print(group.gather(rank), flush=True)
    elif part == "refuse":
        raise InputError("the one reason")
    elif part == "crash" and rank == 1:
        raise RuntimeError("a fault of worker 1")
    elif part == "vanish" and rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    elif part in ("crash", "vanish", "wait"):
        time.sleep(60)

with errors_told("play"):
    workers.run("play", work, most=4)
"""


@pytest.mark.parametrize(("most", "cores", "wanted"), [(8, 2, 2), (8, 7, 4), (3, 8, 2), (1, 8, 1), (16, 1, 1)])
def test_the_largest_power_of_two_that_cores_and_shards_allow(
    most: int, cores: int, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPRISE_WORKERS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert workers.count(most) == wanted


def test_the_number_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_WORKERS", "8")
    assert workers.count(8) == 8
    with pytest.raises(InputError, match="found '8', wanted a power of two from 1 to 7"):
        workers.count(7)


def test_a_lock_is_held_until_its_file_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SCRATCH", tmp_path / "scratch")
    with workers.lock("finetune"):
        with pytest.raises(InputError, match=rf"finetune is already running in this folder \(process {os.getpid()}\)"):
            workers.lock("finetune")
        workers.lock("evaluate").close()
    workers.lock("finetune").close()


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
    assert sorted(process.communicate(timeout=60)[0].splitlines()) == ["[0, 1]", "[0, 1]"]
    assert process.returncode == 0


def test_a_refusal_is_said_once(folder: Path) -> None:
    process = play(folder, "refuse")
    assert process.communicate(timeout=60)[1] == "play: error: the one reason\n"
    assert process.returncode == 2


def test_a_crash_shows_its_own_traceback_and_ends_the_others(folder: Path) -> None:
    process = play(folder, "crash")
    began = time.monotonic()
    said = process.communicate(timeout=60)[1]
    assert time.monotonic() - began < 40
    assert "RuntimeError: a fault of worker 1" in said
    assert process.returncode == 1


def test_a_vanished_worker_is_named(folder: Path) -> None:
    process = play(folder, "vanish")
    assert "worker 1 was ended by SIGKILL (the system may be out of memory)" in process.communicate(timeout=60)[1]
    assert process.returncode == 1


def test_a_signal_is_passed_on_and_gives_its_code(folder: Path) -> None:
    process = play(folder, "wait", "1")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 30
    while not children.read_text().split():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143

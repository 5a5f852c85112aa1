"""What DVC has on record of processes that are gone is dropped; that of a living dvc of the folder stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stages import unlock
from stages.core.errors import InputError

WAIT = "import time; print('ready', flush=True); time.sleep(60)"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a module and a program that stand in for dvc, and DVC's folder."""
    for name in ("project/.dvc/tmp", "project/deep", "elsewhere", "python/dvc"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "python/dvc/__init__.py").touch()
    (tmp_path / "python/dvc/__main__.py").write_text(WAIT)
    (tmp_path / "dvc").write_text(WAIT)
    return tmp_path / "project"


def records(project: Path, *processes: tuple[int, str]) -> Path:
    """Write DVC's file, each process once as a reader and once as a writer."""
    known = [{"pid": pid, "cmd": command} for pid, command in processes]
    path = project / ".dvc/tmp/rwlock"
    path.write_text(json.dumps({"read": {"/x/data": known}, "write": {f"/x/{i}": one for i, one in enumerate(known)}}))
    return path


@contextmanager
def running(folder: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    top = next(above for above in folder.parents if (above / "python").is_dir())
    environment = {**os.environ, "PYTHONPATH": str(top / "python")}
    with subprocess.Popen([sys.executable, *command], cwd=folder, env=environment, stdout=-1, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


@pytest.mark.parametrize("place", [".", "deep"])
@pytest.mark.parametrize("as_module", [True, False])
def test_a_living_dvc_of_the_folder_keeps_what_it_has(project: Path, as_module: bool, place: str) -> None:
    program = str(project.parent / "dvc")
    words = ("-m", "dvc") if as_module else (program,)
    recorded = f"{project.parent}/python/dvc/__main__.py" if as_module else program
    with running(project / place, *words, "repro", "-f") as dvc:
        path = records(project, (dvc.pid, f"{recorded} repro -f"))
        before = json.loads(path.read_text())
        assert unlock.unlock(project) == []
        assert json.loads(path.read_text()) == before
    assert unlock.unlock(project) == [f"process {dvc.pid} ({recorded} repro -f)"]
    assert json.loads(path.read_text()) == {"read": {}, "write": {}}


def test_a_dvc_elsewhere_and_other_processes_are_not_meant(project: Path) -> None:
    program = str(project.parent / "dvc")
    with running(project.parent / "elsewhere", program, "repro") as dvc:
        path = records(project, (1, "dvc repro"), (os.getpid(), "dvc repro"), (dvc.pid, f"{program} repro"))
        assert unlock.unlock(project) == sorted(
            ["process 1 (dvc repro)", f"process {os.getpid()} (dvc repro)", f"process {dvc.pid} ({program} repro)"],
            key=lambda line: int(line.split()[1]),
        )
    assert json.loads(path.read_text()) == {"read": {}, "write": {}}


def test_a_zombie_is_gone(project: Path) -> None:
    program = str(project.parent / "dvc")
    with running(project, program, "repro") as dvc:
        records(project, (dvc.pid, f"{program} repro"))
        dvc.kill()
        os.waitid(os.P_PID, dvc.pid, os.WEXITED | os.WNOWAIT)
        assert unlock.unlock(project) == [f"process {dvc.pid} ({program} repro)"]


@pytest.mark.parametrize("text", ["", '{"read": {'])
def test_a_file_that_a_kill_cut_short_is_made_anew(project: Path, text: str) -> None:
    path = records(project)
    path.write_text(text)
    assert unlock.unlock(project) == []
    assert json.loads(path.read_text()) == {"read": {}, "write": {}}


def test_without_records_there_is_nothing_to_do(project: Path) -> None:
    assert unlock.unlock(project) == []
    assert list((project / ".dvc/tmp").iterdir()) == []


def test_another_dvc_that_is_at_it_is_waited_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc import lock

    monkeypatch.setattr(lock, "DEFAULT_TIMEOUT", 0.06)
    path = records(project, (1, "dvc repro"))
    with (
        lock.make_lock(str(path.with_suffix(".lock"))),
        pytest.raises(InputError, match="rwlock: another dvc is changing it"),
    ):
        unlock.unlock(project)
    assert unlock.unlock(project) == ["process 1 (dvc repro)"]


def test_dvc_itself_is_blocked_before_and_not_after(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The records are DVC's own: what it takes and refuses."""
    from dvc import rwlock
    from dvc.fs import localfs
    from dvc.lock import LockError

    def take() -> Any:
        return rwlock.rwlock(str(project / ".dvc/tmp"), localfs, "dvc repro", [], ["/x/data"], False)

    records(project, (1, "dvc repro"))
    with pytest.raises(LockError, match="is busy, it is being blocked by"), take():
        pass
    assert unlock.unlock(project) == ["process 1 (dvc repro)"]
    with take():
        pass

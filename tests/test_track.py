"""The command that shows a run in trackers: the run does not notice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stages import track
from stages.core.errors import InputError
from stages.repro.digests import of_bytes
from tests import tiny

RUN = """
import sys, time
from pathlib import Path
folder = Path("metrics/finetune")
folder.mkdir(parents=True)
(folder / "steps.tsv").write_text("step epoch loss\\n1 1 0.5\\n2 2 0.25\\n".replace(" ", "\\t"))
(folder / "validation.tsv").write_text("step epoch loss accuracy\\n2 2 0.3 0.9\\n".replace(" ", "\\t"))
Path("params.yaml").write_text("train: {lr: 3e-5}\\n")
Path("metrics/finetune.json").write_text('{"best_step": 2, "trace": "abc", "stopped_early": false}')
Path("dvc.lock").write_text("lock")
sys.exit(int(sys.argv[1]))
"""
SEEN: list[tuple[Any, ...]] = []


class Seen:
    """Notes what it is told."""

    def __init__(self, name: str, params: Mapping[str, Any]) -> None:
        SEEN.append(("begins", dict(params)))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        SEEN.append((step, dict(values)))

    def end(self, *what: Any) -> None:
        SEEN.append(("ends", *what))


class Dead:
    """Cannot be reached."""

    def __init__(self, name: str, params: Mapping[str, Any]) -> None:
        raise ConnectionError("refused")


@pytest.fixture(autouse=True)
def trackers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two trackers, named after modules that are there."""
    SEEN.clear()
    monkeypatch.setattr(track, "TRACKERS", {"json": Seen, "csv": Dead, "absent_": Seen})
    monkeypatch.setattr(track, "POLL", 0.02)
    (tmp_path / "params.yaml").write_text("train: {lr: 1e-3}\n")


def command(code: int = 0) -> list[str]:
    return [sys.executable, "-c", RUN, str(code)]


def test_a_run_is_shown_with_the_params_it_had(tmp_path: Path) -> None:
    assert track.track(["json"], command(), tmp_path) == 0
    begins, *steps, ends = SEEN
    assert begins == ("begins", {"train.lr": 3e-05})
    assert [step for step, _ in steps] == [1, 2]
    assert steps[1][1]["validation/accuracy"] == 0.9
    assert ends == ("ends", 2, {"finetune/best_step": 2}, {"dvc.lock": of_bytes(b"lock")}, True)


def test_a_run_that_fails_keeps_its_code_and_has_no_results(tmp_path: Path) -> None:
    assert track.track(["json"], command(3), tmp_path) == 3
    assert SEEN[-1][2] == {}
    assert SEEN[-1][4] is False


def test_nothing_is_shown_when_finetune_did_not_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert track.track(["json"], [sys.executable, "-c", ""], tmp_path) == 0
    assert SEEN == []
    assert capfd.readouterr().err == "track: finetune took no step, so there is nothing to show\n"


def test_with_a_dead_tracker_the_bits_are_the_same(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shown, alone = tiny.clone(tmp_path / "shown"), tiny.clone(tmp_path / "alone")
    assert track.track(["csv", "json"], [sys.executable, "-m", "stages.finetune"], shown) == 0
    assert "track: warning: csv gives up: ConnectionError: refused; the run goes on" in capfd.readouterr().err
    assert [entry[0] for entry in SEEN] == ["begins", *range(1, 13), "ends"]
    tiny.run_here(alone)
    assert tiny.outputs(shown) == tiny.outputs(alone)


@pytest.mark.parametrize(
    ("names", "command", "said"),
    [
        (["jsn"], ["true"], "jsn: no such tracker (nearest: 'json')"),
        (["absent_"], ["true"], "absent_ is not installed: pip install --constraint requirements.lock '.[absent_]'"),
        (["json"], ["no-such-command"], "no-such-command: cannot be run: No such file or directory"),
    ],
)
def test_bad_input(names: list[str], command: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        track.track(names, command, tmp_path)
    assert str(caught.value) == said
    assert SEEN == []


def test_sigterm_is_passed_on_and_the_command_ends_as_it_does(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def kill() -> None:
        while signal.getsignal(signal.SIGTERM) is before:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    killer = threading.Thread(target=kill)
    killer.start()
    assert track.track(["json"], ["sleep", "60"], tmp_path) == -signal.SIGTERM
    killer.join()
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_command_line(tmp_path: Path) -> None:
    def said(*arguments: str) -> tuple[int, str]:
        ended = subprocess.run(
            [sys.executable, "-m", "stages.track", *arguments], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(tiny.ROOT)}, check=False,
        )  # fmt: skip
        return ended.returncode, ended.stderr

    assert said("tensorboard", "dvc", "repro") == (
        2, "track: error: found no command: wanted TRACKER … -- COMMAND …, for example tensorboard -- dvc repro\n"
    )  # fmt: skip
    assert said("tensorbord", "--", "true") == (
        2, "track: error: tensorbord: no such tracker (nearest: 'tensorboard')\n"
    )  # fmt: skip

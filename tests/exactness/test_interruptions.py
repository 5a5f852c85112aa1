"""Killed at any moment and started again by the same command, with other numbers of workers: the same bytes."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.exactness import processes
from tests.exactness.conftest import forget, undisturbed
from tests.exactness.ledger import Ledger
from tests.exactness.warm import Warm

KILLS = 50  # at random moments
REPEAT = 10  # every so many kills, SIGTERM and SIGINT instead
MOMENTS = {  # of one run of 12 steps, one after another
    "a step": ("open metrics/finetune/trace.tsv", 8),
    "an evaluation": ("open metrics/finetune/validation.tsv", 1),
    "a checkpoint write": ("os.fsync .reprise/*/.step-*.partial/moments.safetensors", 0),
}


def test_killed_in_a_step_in_an_evaluation_and_in_a_checkpoint_write(warm: Warm, root: Path, ledger: Ledger) -> None:
    alone = undisturbed(warm, root)
    for workers, (at, which) in zip("212", MOMENTS.values(), strict=True):
        started = warm.start(root, {"do": "kill", "at": at, "which": which}, REPRISE_WORKERS=workers)
        assert started.wait()[0] == -signal.SIGKILL
        assert processes.all_gone(started.pid)
    code, said = warm.run(root, REPRISE_WORKERS="1")
    assert code == 0, said
    assert said.startswith("finetune: goes on from step ")
    same = ledger.same(
        f"kill -9 in {', in '.join(MOMENTS)}, then the same command", "forked", tiny.outputs(root), alone
    )
    assert same


@pytest.mark.full
def test_killed_at_every_write(warm: Warm, root: Path, ledger: Ledger, tmp_path: Path) -> None:
    tiny.set_params(root, epochs="1", batch_size="16", checkpoint_every="2")
    alone = undisturbed(warm, root)
    assert warm.run(root, {"do": "list", "log": str(tmp_path / "writes")}, REPRISE_WORKERS="1")[0] == 0
    writes = len((tmp_path / "writes").read_text().splitlines())
    forget(root)
    parted = []
    for which in range(writes):
        started = warm.start(root, {"do": "kill", "which": which}, REPRISE_WORKERS=str(1 + which % 2))
        assert started.wait()[0] == -signal.SIGKILL
        assert processes.all_gone(started.pid)
        code, said = warm.run(root, REPRISE_WORKERS=str((1, 2, 4)[which % 3]))
        same = ledger.same(
            "kill -9 at every write of a run in turn, each resumed with 1, 2 or 4 workers", "forked",
            (code, tiny.outputs(root)), (0, alone),
        )  # fmt: skip
        parted += [] if same else [(which, code, said)]
        forget(root)
    assert writes > 80
    assert parted == []


def start(root: Path, workers: int) -> subprocess.Popen[str]:
    """Start the command in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "stages.finetune"], cwd=root, env={**os.environ, "REPRISE_WORKERS": str(workers)},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def lines(file: Path) -> int:
    return file.read_text().count("\n") - 1 if file.is_file() else 0


def wait_for(root: Path, process: subprocess.Popen[str], step: int) -> None:
    """Wait until the curve has `step` lines, or the process has ended."""
    while process.poll() is None and lines(root / "metrics/finetune/steps.tsv") < step:
        time.sleep(0.001)


def moment(root: Path, every: int) -> str:
    """Tell from what a killed run left what it was doing."""
    if any((root / ".reprise").glob("*/.step-*.partial")) or any((root / ".reprise").glob("*/best/.step-*.partial")):
        return "a checkpoint write"
    steps, evaluations = (lines(root / f"metrics/finetune/{name}.tsv") for name in ("steps", "validation"))
    return "an evaluation" if steps > 0 and steps // every > evaluations else "a step"


def interrupted(root: Path, draw: random.Random, every: int) -> Iterator[str]:
    """Start the command again and again, end it at random moments; yield at which. Ends when a run comes to its end."""
    for number in itertools.count(1):
        process = start(root, draw.choice((1, 1, 2, 2, 4)))
        sent = signal.SIGKILL if number % REPEAT else draw.choice((signal.SIGTERM, signal.SIGINT))
        further = draw.randint(0 if sent == signal.SIGKILL else 1, 6)  # a kill may also come while it still starts
        wait_for(root, process, lines(root / "metrics/finetune/steps.tsv") + further)
        time.sleep(draw.random() * 0.05)
        process.send_signal(sent)
        said = process.communicate(timeout=120)[1]
        assert processes.all_gone(process.pid)
        if process.returncode == 0:
            return
        if sent == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL, said
            yield moment(root, every)
        else:
            assert process.returncode == 128 + sent, said
            assert "Traceback" not in said
            yield sent.name


@pytest.mark.full
def test_killed_at_random_moments_through_the_command(warm: Warm, root: Path, ledger: Ledger, tmp_path: Path) -> None:
    tiny.set_params(root, epochs="60", batch_size="16", evaluate_every="3", checkpoint_every="2")
    alone = undisturbed(warm, root)
    draw, seen = random.Random(11), {}
    again = shutil.copytree(root, tmp_path / "again", symlinks=True)
    while sum(n for name, n in seen.items() if not name.startswith("SIG")) < KILLS:
        for what in interrupted(again, draw, every=3):
            seen[what] = seen.get(what, 0) + 1
            if sum(n for name, n in seen.items() if not name.startswith("SIG")) == KILLS:
                break
        else:
            forget(again)
    process = start(again, 2)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said
    told = ", ".join(f"{count} in {what}" for what, count in sorted(seen.items()) if not what.startswith("SIG"))
    asked = sum(count for what, count in seen.items() if what.startswith("SIG"))
    varied = (
        f"kill -9 at {KILLS} random moments of one run ({told}), {asked} times SIGTERM or SIGINT; 1, 2 or 4 workers"
    )
    assert ledger.same(varied, "command", tiny.outputs(again), alone)


@pytest.mark.full
@pytest.mark.parametrize("workers", [2, 4])
def test_any_dead_worker_ends_the_run_with_its_reason(warm: Warm, root: Path, ledger: Ledger, workers: int) -> None:
    tiny.set_params(root, batch_size="16")
    alone = undisturbed(warm, root)
    tiny.set_params(root, batch_size="16", epochs="500")
    for victim in range(workers):
        process = start(root, workers)
        wait_for(root, process, 2)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        began = time.monotonic()
        subprocess.run(["kill", "-9", children[victim]], check=True)
        said = process.communicate(timeout=60)[1]
        assert time.monotonic() - began < 10
        assert process.returncode in (1, 2)
        assert f"worker {victim} was ended by SIGKILL" in said
        assert "Traceback" not in said
        assert processes.all_gone(process.pid)
        forget(root)
    tiny.set_params(root, batch_size="16")
    found: Any = warm.run(root, REPRISE_WORKERS=str(workers))[0], tiny.outputs(root)
    assert ledger.same(f"each of {workers} workers killed in turn, then a run", "command", found, (0, alone))

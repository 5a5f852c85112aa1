"""What surrounds a run does not matter: threads asked for, time zone, locale, home, place, umask, hash seed, load."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tiny
from tests.exactness.conftest import undisturbed
from tests.exactness.ledger import Ledger
from tests.exactness.warm import Warm

# The quick form is one run with all at once, in tests/test_finetune.py.
pytestmark = pytest.mark.full
SURROUNDINGS = {
    **{f"OMP and MKL asked for {n} threads": {"OMP_NUM_THREADS": n, "MKL_NUM_THREADS": n} for n in ("1", "2", "8")},
    "HOME": {"HOME": "/nonexistent"},
    "time zone": {"TZ": "Pacific/Kiritimati"},
    "locale C": {"LC_ALL": "C", "LANG": "C"},
    "locale with a decimal comma": {"LC_ALL": "de_DE.UTF-8"},
    "PYTHONHASHSEED 0": {"PYTHONHASHSEED": "0"},
    "PYTHONHASHSEED 4294967295": {"PYTHONHASHSEED": "4294967295"},
}


@pytest.fixture
def alone(warm: Warm, root: Path) -> dict[str, str]:
    return undisturbed(warm, root)


@pytest.fixture
def burning() -> Iterator[None]:
    """Keep every core busy."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in os.sched_getaffinity(0)]
    yield
    for burner in burners:
        burner.kill()
        burner.wait()


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_environment(root: Path, alone: dict[str, str], ledger: Ledger, name: str) -> None:
    code, said = tiny.run(root, REPRISE_WORKERS="2", **SURROUNDINGS[name])
    assert (code, said) == (0, "")
    assert ledger.same(name, "command", tiny.outputs(root), alone)


@pytest.mark.usefixtures("burning")
def test_a_busy_machine(root: Path, alone: dict[str, str], ledger: Ledger) -> None:
    assert tiny.run(root, REPRISE_WORKERS="2") == (0, "")
    assert ledger.same("a busy machine", "command", tiny.outputs(root), alone)


@pytest.mark.parametrize("name", ["a place with spaces", "ünïcode-场所", "'quoted' $HOME;"])
def test_another_folder(root: Path, alone: dict[str, str], ledger: Ledger, name: str) -> None:
    moved = root.with_name(name)
    root.rename(moved)
    assert tiny.run(moved, REPRISE_WORKERS="2") == (0, "")
    assert ledger.same("working folder with blanks, other alphabets, quotes", "command", tiny.outputs(moved), alone)


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_another_umask(root: Path, alone: dict[str, str], ledger: Ledger, mask: int) -> None:
    before = os.umask(mask)
    try:
        assert tiny.run(root, REPRISE_WORKERS="2") == (0, "")
    finally:
        os.umask(before)
    assert ledger.same("umask 000 and 077", "command", tiny.outputs(root), alone)

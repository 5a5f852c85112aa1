"""The environment is asserted."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from stages.core.errors import InputError
from stages.repro.determinism import ENVIRONMENT, settle
from tests.tiny import ROOT

SHOW = (
    "from stages.repro.determinism import ensure_environment; ensure_environment()\n"
    "import os, torch; from stages.repro.determinism import settle; settle(0)\n"
    "print(torch.get_num_threads(), os.environ['PYTHONHASHSEED'], hash('reprise'))\n"
)


def shown(**environment: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", SHOW], env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_a_process_in_another_environment_replaces_itself() -> None:
    asked = shown(OMP_NUM_THREADS="8", PYTHONHASHSEED="5")
    assert asked.startswith("1 0 ")
    assert asked == shown(OMP_NUM_THREADS="1", PYTHONHASHSEED="random")


@pytest.mark.parametrize("name", sorted(ENVIRONMENT))
def test_a_setting_that_could_not_be_had_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in ENVIRONMENT.items():
        monkeypatch.setenv(key, value)
    settle(0)
    monkeypatch.setenv(name, "other")
    with pytest.raises(InputError, match=f"not repeatable: {name}: found 'other', wanted '{ENVIRONMENT[name]}'"):
        settle(0)

"""Progress bars, and what tqdm is told through the environment."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.tiny import ROOT

PROGRAM = """
from stages.core.cli import errors_told
with errors_told("stage"):
    from stages.core import progress
    progress.bar(total=1, disable=True).close()
    print("done")
"""


@pytest.mark.parametrize(
    ("value", "code", "told"),
    [
        ("0.5", 0, ""),
        (
            "abc", 2,
            "stage: error: TQDM_MININTERVAL: could not convert string to float: 'abc', which tqdm cannot read: "
            "unset it\n",
        ),
    ],
)  # fmt: skip
def test_a_setting_that_tqdm_cannot_read_is_named(value: str, code: int, told: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env={**os.environ, "TQDM_MININTERVAL": value}, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (code, told)

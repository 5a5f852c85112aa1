"""The commands that README.md shows."""

from __future__ import annotations

import re

from tests.pipeline.closure import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [block.strip().splitlines() for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)]


def safe(command: str) -> str:
    """Return what a test runs for a command: `make test` shows what it would do, for it is these tests.

    Claims that are not all reproduced are an answer, not a failure.
    """
    if command.startswith("python -m stages.verify claims"):
        return f"{command} || test $? -eq 1"
    return "make --dry-run test" if command == "make test" else command

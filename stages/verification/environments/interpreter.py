"""Another Python, another torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from stages.verification.environments.setting import Setting


@dataclass(frozen=True)
class Interpreter:
    """The `python` of another virtual environment, with its own versions of everything."""

    harmless: ClassVar[bool] = False
    path: Path

    def setting(self) -> Setting:
        """Return a run by that interpreter."""
        return Setting(interpreter=self.path)

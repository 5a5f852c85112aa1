"""A small repository that a test fills and changes."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Repository:
    """A repository and how to change it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str) -> str:
        """Run Git in it."""
        command = ["git", "-c", "user.name=Test", "-c", "user.email=t@example.org", *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout

    def put(self, name: str, text: str) -> None:
        """Write one file."""
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text, encoding="utf-8")

    def commit(self) -> None:
        """Commit all."""
        self.git("add", "-A")
        self.git("commit", "-qm", "change")

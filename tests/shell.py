"""Commands of Git and DVC in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run(root: Path, command: str) -> str:
    """Return what a Bash command says in the folder, with an author for Git and DVC on the PATH."""
    author = {f"GIT_{who}_{what}": "x@y.z" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {**os.environ, **author, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-ec", command], cwd=root, env=env, capture_output=True, text=True, check=True
    ).stdout

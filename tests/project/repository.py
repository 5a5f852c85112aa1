"""A small repository that a test fills and changes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HOOKS = (
    "applypatch-msg", "commit-msg", "fsmonitor-watchman", "post-checkout", "post-commit", "post-index-change",
    "post-merge", "post-rewrite", "pre-auto-gc", "pre-commit", "prepare-commit-msg", "reference-transaction",
)  # fmt: skip


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

    def commit(self) -> str:
        """Commit all; return the commit."""
        self.git("add", "-A")
        self.git("commit", "-qm", "change")
        return self.git("rev-parse", "HEAD").strip()

    def plant(self) -> Path:
        """Have the repository's own configuration name commands wherever it can; return where each leaves a file."""
        ran = self.root.parent / "ran"
        ran.mkdir()
        for name in HOOKS:
            hook = self.root / ".git/hooks" / name
            hook.parent.mkdir(exist_ok=True)
            hook.write_text(f"#!/bin/sh\ntouch '{ran}/{name}'\n")
            hook.chmod(0o755)
        signer = self.root / ".git/hooks/signer"
        signer.write_text(f"#!/bin/sh\ntouch '{ran}/signer'\nexit 1\n")
        signer.chmod(0o755)
        (self.root / ".git/info").mkdir(exist_ok=True)
        (self.root / ".git/info/attributes").write_text("* filter=a=b.c diff=evil\nstages/** filter=more\n")
        self.git("config", "include.path", "more")
        self.git("config", "--file", ".git/more", "filter.more.clean", f"touch '{ran}/more'; cat")
        commands = {
            "filter.a=b.c.clean": "cat", "filter.a=b.c.smudge": "cat", "diff.evil.textconv": "cat",
            "diff.evil.command": "true", "diff.external": "true", "core.fsmonitor": "false", "core.pager": "cat",
            "core.sshCommand": "false", "core.editor": "true", "tar.tar.command": "cat",
        }  # fmt: skip
        for key, then in commands.items():
            self.git("config", key, f"touch '{ran}/{key}'; {then}")
        for key, value in {
            "filter.a=b.c.required": "true", "credential.helper": f"!touch '{ran}/credential'",
            "alias.status": f"!touch '{ran}/alias'", "gpg.program": str(signer), "log.showSignature": "true",
        }.items():  # fmt: skip
            self.git("config", key, value)
        return ran


def below(root: Path) -> Path:
    """Move the project in `root` to a sub-folder of its repository, another beside it; return its folder."""
    outer = root.parent / "outer"
    (outer / "beside").mkdir(parents=True)
    (outer / "beside/a").write_text("1")
    folder = root.rename(outer / "some where")
    (folder / ".git").rename(outer / ".git")
    Repository(outer).commit()
    return folder


def given_away(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the repository another user's, so that Git refuses it: in truth where this is root, else by Git's own test.

    The user's own configuration, which could allow it, is left aside.
    """
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(root.parent / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    if os.geteuid() == 0:
        for path in (root, *root.rglob("*")):
            os.chown(path, 4321, 4321, follow_symlinks=False)
        return
    stand_in = root.parent / "bin/git"
    stand_in.parent.mkdir()
    stand_in.write_text(f'#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec "{shutil.which("git")}" "$@"\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}")

"""What an environment asks of a derivation; the runner does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Setting:
    """How to derive: all defaults together are an ordinary clone and run."""

    variables: Mapping[str, str] = field(default_factory=dict)  # of the process, beside those all derivations have
    folder: str = "clone"  # name of the working folder
    umask: int = 0o022
    interpreter: Path | None = None  # None: the one that verifies
    own_home: bool = False  # an empty home folder
    reversed_listings: bool = False  # what lists a folder in Python gets it backwards
    hermetic: bool = False  # each stage in a folder that holds what dvc.yaml says it reads, and nothing else
    kills: int = 0  # kill -9 of all processes, that many times, at random steps of the training

    def asked(self) -> dict[str, str]:
        """Return what differs from an ordinary run, for the certificate."""
        found = dict(self.variables)
        usual = Setting()
        for name in ("folder", "own_home", "reversed_listings", "hermetic", "kills"):
            if getattr(self, name) != getattr(usual, name):
                found[name] = str(getattr(self, name)).lower() if name != "folder" else self.folder
        if self.interpreter is not None:
            found["interpreter"] = str(self.interpreter)
        if self.umask != usual.umask:
            found["umask"] = f"{self.umask:03o}"
        return found

"""A second time, with nothing changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stages.verification.environments.setting import Setting


@dataclass(frozen=True)
class Same:
    """A fresh clone, empty caches, the same machine and interpreter."""

    harmless: ClassVar[bool] = True

    def setting(self) -> Setting:
        """Return an ordinary run."""
        return Setting()

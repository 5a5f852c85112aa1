"""All at once that must not matter about a machine and its user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stages.verification.environments.setting import Setting


@dataclass(frozen=True)
class Hostile:
    """Blanks and letters beyond ASCII in the path; other home, time zone, locale, umask, hash seed, folder order.

    Hermetic too, see there.
    """

    harmless: ClassVar[bool] = True

    def setting(self) -> Setting:
        """Return a run under all of these."""
        return Setting(
            variables={
                "LC_ALL": "C", "LANG": "C", "LANGUAGE": "tr", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "random",
                "COLUMNS": "43",
            },
            folder="wörk ing fôlder 作業 [1]", umask=0o077, own_home=True, reversed_listings=True,
            hermetic=True,
        )  # fmt: skip

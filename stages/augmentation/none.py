"""The training rows as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.augmentation.methods import Verbatim
from stages.interfaces import Keys

if TYPE_CHECKING:
    from stages.interfaces import Numbers


@dataclass(frozen=True)
class Unaugmented(Verbatim):
    """No copies."""

    def counts(self, answers: Numbers, keys: Keys) -> Numbers | None:
        """Return None."""
        return None

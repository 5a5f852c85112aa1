"""Random oversampling of small classes (Japkowicz and Stephen 2002, Intelligent Data Analysis 6:429)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from stages.augmentation.methods import Verbatim
from stages.interfaces import Keys

if TYPE_CHECKING:
    from stages.interfaces import Numbers


@dataclass(frozen=True)
class Balance(Verbatim):
    """Rows of small classes again, as they are, until each class has `share` of the rows of the largest."""

    share: Annotated[float, Field(gt=0, le=1, description="of the rows of the largest class, (0, 1]")] = 1.0
    needs: ClassVar[Literal["nothing", "words", "mentions", "classes"]] = "classes"

    def counts(self, answers: Numbers, keys: Keys) -> Numbers | None:
        """Return the copies of each row: as many for all of a class; one more for those with the lowest keys."""
        found = np.zeros(len(answers), dtype=np.int64)
        classes, sizes = np.unique(answers, return_counts=True)
        wanted = ceil(self.share * int(sizes.max()))
        for label, size in zip(classes.tolist(), sizes.tolist(), strict=True):
            rows = np.flatnonzero(answers == label)
            each, more = divmod(max(0, wanted - size), size)
            found[rows] = each
            found[sorted(rows.tolist(), key=keys)[:more]] += 1
        return found

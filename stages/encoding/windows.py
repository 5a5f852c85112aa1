"""Examples as rows of data/tokens: one a window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stages.core.errors import InputError
from stages.interfaces import Encoded, Target


def rows(
    encoded: Encoded, number: int, row: int, stored: Any, target: Target, where: str, learnt: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield the cells of each window of an example, by column; of one to be `learnt`, those the target learns from.

    One that is too long has no window. `number` is that of the example in its split, `row` its id, `stored` its answer.
    Raises InputError, which begins with `where`, for an example without tokens, or of which nothing is to be learnt.
    """
    try:
        aligned = [target.align(stored, window) for window in encoded.windows]
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    for place in target.learnt(aligned, row) if learnt else range(len(aligned)):
        window = encoded.windows[place]
        if not window.ids:
            raise InputError(f"{where} has no token, and the model knows no special ones: leave it out")
        cells = {"id": row, "example": number, "length": len(window.ids), "input_ids": window.ids}
        yield {**cells, **window.columns, target.stored: aligned[place]}

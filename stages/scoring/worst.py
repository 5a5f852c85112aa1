"""The table of the worst errors, data/predictions/worst.tsv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stages.core.shown import cell, cut, terminal
from stages.scoring.report import Wrong

TEXT_SHOWN = 300  # characters
HEADER = ("id", "actual", "predicted", "detail")


def worst_rows(
    wrong: Sequence[Wrong], ids: Sequence[int], texts: Mapping[int, Mapping[str, str]]
) -> list[tuple[str, ...]]:
    """Return a row of HEADER and then the example's texts for each of `wrong`.

    `ids` are those of all examples; `texts` holds the texts of those that are wrong, by field; one that is not told
    beside the error is empty. White space in a text becomes single blanks; more than TEXT_SHOWN characters are cut.
    Whatever a spreadsheet would compute has a `'` before it.
    """
    return [
        (str(ids[of.row]), *map(_line, (of.actual, of.predicted, of.detail, *_beside(of, texts[of.row]))))
        for of in wrong
    ]


def _beside(of: Wrong, texts: Mapping[str, str]) -> list[str]:
    return [text if of.beside is None or field in of.beside else "" for field, text in texts.items()]


def _line(text: str) -> str:
    return cell(cut(terminal(" ".join(text.split())), TEXT_SHOWN))

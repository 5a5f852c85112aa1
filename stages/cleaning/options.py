"""Parts of section `data`: the files of the splits, one file for several, and which rows are kept."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator

from stages.core.params import Section


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"found {name!r}, wanted the path of a file within data/raw")
    return name


def _regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern[:80]!r} is no regular expression: {error}") from None
    return pattern


RawFile = Annotated[str, AfterValidator(_inside)]


class Files(Section):
    """The file (or, of format folders, the folder) in data/raw of each split; null is drawn from the training file."""

    train: RawFile
    validation: RawFile | None
    test: RawFile | None


class Split(Section):
    """One file that holds several splits: the text in `column` by which a row belongs to each."""

    column: str
    train: str
    validation: str | None
    test: str | None

    def of(self, split: str) -> tuple[str, str] | None:
        """Return (column, text) of a split, None where every row of its file belongs to it."""
        text = getattr(self, split)
        return None if text is None else (self.column, text)


class Keep(Section):
    """Only rows in whose cell of `column` the regular expression `pattern` is found."""

    column: str
    pattern: Annotated[str, AfterValidator(_regex)]

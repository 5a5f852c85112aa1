"""The search for `data.keep.pattern`, which ends even where the pattern backtracks."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from stages.core.errors import InputError

SECONDS = 10.0  # of processor time for one cell: a machine that is busy with other work stops no search


class _TimeOver(Exception):
    pass


def _stop(*_: object) -> NoReturn:
    raise _TimeOver


@contextmanager
def search(pattern: str) -> Iterator[Callable[[str, str], bool]]:
    """Yield a function (cell, where) that tells whether the regular expression `pattern` is found in the cell.

    It raises InputError, which begins with `where`, when that takes more than SECONDS. For the main thread alone, since
    it is a signal that stops the search.
    """
    find = re.compile(pattern).search

    def found(cell: str, where: str) -> bool:
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
            match = find(cell)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        except _TimeOver:
            raise InputError(
                f"{where}: the search for data.keep.pattern {pattern!r} took more than {SECONDS:g} seconds: it "
                "backtracks; write it without a repetition within a repetition, as in (a+)+"
            ) from None
        return match is not None

    before = signal.signal(signal.SIGVTALRM, _stop)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)

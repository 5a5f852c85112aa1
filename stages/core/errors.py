"""The one exception for bad input, and what its message needs."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(Exception):
    """Bad input from outside: params, data, an archive, the network, the disk.

    The message is the whole answer to the user: where (file, line or key), what was found, what is wanted and, where
    it helps, the nearest valid name. `stages.core.cli` prints it and exits with code 2, without a traceback.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ` (nearest: 'a', 'b')` for the known names most like `name`, or a list of all if none is like it.

    The leading blank makes it fit behind any message; an empty `known` gives an empty string.
    """
    names = sorted(set(known))
    if not names:
        return ""
    lowered = {n.lower(): n for n in names}
    close = [lowered[m] for m in get_close_matches(name.lower(), lowered, n=3, cutoff=0.5)]
    if close:
        return " (nearest: " + ", ".join(repr(n) for n in close) + ")"
    shown = ", ".join(repr(n) for n in names[:12])
    return f" (known: {shown}{', …' if len(names) > 12 else ''})"

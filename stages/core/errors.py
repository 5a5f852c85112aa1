"""The one exception for bad input, what its message needs, and how what libraries raise becomes one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
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


@contextlib.contextmanager
def refusals_told(what: str) -> Iterator[None]:
    """Turn whatever the body, a library that reads files of others, raises into one InputError: `what` and the reason.

    A panic in Rust too. Interruptions, exits and a lack of memory pass, and InputError as it is.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(f"{what}: {reason(error)}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of pyo3, which no package exports
            raise
        raise InputError(f"{what}: the library panicked: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """Return the first line of what `error` says, or its kind when that is nothing or a bare key."""
    text = str(error).strip()
    if not text:
        return type(error).__name__
    line, *more = map(str.strip, text.splitlines())
    line = f"{line} {more[0]}" if line.endswith(":") and more else line
    return f"{type(error).__name__}: {line}" if isinstance(error, KeyError | RecursionError) else line

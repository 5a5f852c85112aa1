"""Progress bars. tqdm reads environment variables when it is imported, and fails there over what it cannot read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError

if TYPE_CHECKING:
    from tqdm import tqdm


def bar(**options: Any) -> tqdm[Any]:
    """Return a progress bar with tqdm's options."""
    from tqdm import tqdm

    return tqdm(**options)


def check() -> None:
    """Raise InputError when tqdm cannot read a variable TQDM_…: the libraries that import it would fail over it."""
    names = sorted(name for name in os.environ if name.startswith("TQDM_"))
    if names:
        try:
            import tqdm  # noqa: F401
        except ValueError as error:
            raise InputError(f"{' or '.join(names)}: {error}, which tqdm cannot read: unset it") from None

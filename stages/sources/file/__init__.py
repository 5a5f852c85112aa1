"""Files and folders of the repository, copied as they are."""

from __future__ import annotations

from dataclasses import dataclass

from stages.sources.own import Own


@dataclass(frozen=True)
class File(Own):
    """Files and folders of the repository, copied as they are."""

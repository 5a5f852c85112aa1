"""An output of an earlier run, from the cache of its repository or from its remote."""

from __future__ import annotations

from dataclasses import dataclass

from stages.sources.earlier import Earlier


@dataclass(frozen=True)
class Run(Earlier):
    """An output of an earlier run, from the cache of its repository or from its remote."""

"""One class of several: the label in the data."""

from __future__ import annotations

from dataclasses import dataclass

from stages.targets.answers import Label


@dataclass(frozen=True)
class Classes(Label):
    """One label an example, of several."""

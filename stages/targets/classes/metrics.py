"""The scores of the validation rows."""

from __future__ import annotations

from stages.scoring.classification import METRICS, Judged

__all__ = ["METRICS", "Judged"]

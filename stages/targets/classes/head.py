"""A linear layer on the encoder's pooled output, and cross-entropy."""

from __future__ import annotations

from stages.targets.heads import OfWindows as Head

__all__ = ["Head"]

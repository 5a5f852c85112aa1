"""No code of a model folder runs: each way into transformers says so."""

from __future__ import annotations

import re
from pathlib import Path

STAGES = Path(__file__).parents[2] / "stages"
WAYS = r"\b(?:from_pretrained|from_config|pipeline)\("
CALL = re.compile(WAYS + r"(?:[^()]|\([^()]*\))*\)")


def test_every_load_refuses_remote_code() -> None:
    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted(STAGES.rglob("*.py")))
    calls = CALL.findall(text)
    assert len(calls) == len(re.findall(WAYS, text)) > 0
    assert [call for call in calls if "trust_remote_code=False" not in call] == []

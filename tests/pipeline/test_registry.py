"""The model by name and version: registered by a tag, fetched from another folder, and it predicts the same."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.pipeline.conftest import Clone

TEXT = "printf 'the captain rows near the quay\\n'"


def test_a_registered_model_is_fetched_and_predicts(clone: Clone, tmp_path: Path) -> None:
    clone.run("gto register classifier --version v1.0.0 && gto assign classifier --version v1.0.0 --stage prod")
    elsewhere = Clone(tmp_path / "elsewhere")
    elsewhere.root.mkdir()
    said = elsewhere.run(f"'{sys.executable}' -m dvc artifacts get '{clone.root}' classifier --stage prod --out got")
    assert said.endswith("Downloaded 5 file(s) to 'got'\n")
    predicted = clone.run(f"{TEXT} | python -m stages.predict --model '{elsewhere.root}/got'")
    assert '"label": "harbour"' in predicted
    for file in (clone.root / "models/finetuned").iterdir():
        assert (elsewhere.root / "got" / file.name).read_bytes() == file.read_bytes()

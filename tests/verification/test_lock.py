"""dvc.lock, read."""

from __future__ import annotations

import pytest

from stages.core.errors import InputError
from stages.verification import lock

TEXT = "stages:\n" + "".join(
    f"""  {stage}:
    cmd: x
    deps:
    - path: stages/{stage}.py
      md5: {stage}1
    params:
      params.yaml:
        train:
          lr: 1e-08
          {stage}: [1, 2]
        seed: 42
    outs:
    - path: data/{stage}
      md5: {stage}2.dir
"""
    for stage in lock.STAGES
)


def test_a_stage() -> None:
    found = lock.parse(TEXT, "dvc.lock")["tokenize"]
    assert found.deps == {"stages/tokenize.py": "tokenize1"}
    assert found.params == {"train.lr": "1e-08", "train.tokenize": "[1, 2]", "seed": "42"}
    assert found.outs == {"data/tokenize": "tokenize2.dir"}


def test_all_stages_together() -> None:
    found = lock.parse(TEXT, "dvc.lock")
    assert lock.outputs(found)["data/evaluate"] == "evaluate2.dir"
    assert lock.params(found)["train.finetune"] == "[1, 2]"


def test_another_hash_is_refused() -> None:
    with pytest.raises(InputError, match="^dvc.lock: download: not as `dvc repro` writes it"):
        lock.parse(TEXT.replace("md5:", "etag:"), "dvc.lock")

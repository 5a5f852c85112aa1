"""dvc.lock, read."""

from __future__ import annotations

import pytest

from stages.core.errors import InputError
from stages.project import lock

TEXT = "schema: '2.0'\nstages:\n" + "".join(
    f"""  {stage}:
    cmd: python -m stages.{stage}
    frozen: true
    deps:
    - path: stages/{stage}.py
      md5: {stage}1
      size: 7
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
    assert found.params == {"train.lr": 1e-08, "train.tokenize": [1, 2], "seed": 42}
    assert found.command == "python -m stages.tokenize"
    assert found.outs == {"data/tokenize": "tokenize2.dir"}
    assert found.facts == {("deps", "stages/tokenize.py", "size"): 7, ("", "", "frozen"): True}


def test_all_stages_together() -> None:
    found = lock.parse(TEXT, "dvc.lock")
    assert lock.outputs(found)["data/evaluate"] == "evaluate2.dir"
    assert lock.params(found)["train.finetune"] == "[1, 2]"


def test_another_hash_is_refused() -> None:
    with pytest.raises(InputError, match="^dvc.lock: download: not as `dvc repro` writes it"):
        lock.parse(TEXT.replace("md5:", "etag:"), "dvc.lock")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("'2.0'", "'2.1'", "dvc.lock: found schema '2.1', wanted schema '2.0' and stages alone"),
        ("schema: '2.0'\n", "", "dvc.lock: found schema None, wanted schema '2.0'"),
        ("schema:", "datasets: []\nschema:", "dvc.lock: found datasets, schema '2.0', wanted schema '2.0' and stages"),
        ("    cmd: python -m stages.download\n", "", "dvc.lock: download: not as `dvc repro` writes it"),
        ("    frozen: true\n", "    frozen: true\n    frozen: true\n", "dvc.lock: not as `dvc repro` writes it"),
        ("  preprocess:", "  download:", "dvc.lock: not as `dvc repro` writes it"),
        (
            "    outs:\n",
            "    outs:\n    - {path: data/evaluate, md5: x}\n",
            "dvc.lock: evaluate: outs: data/evaluate st",
        ),
        ("        seed: 42", "        seed: 42\n        train.lr: 1", "dvc.lock: download: params: train.lr stands tw"),
    ],
)
def test_what_would_go_unread_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        lock.parse(TEXT.replace(old, new), "dvc.lock")
    assert str(refused.value).startswith(message)


def test_a_stage_of_the_projects_own_counts() -> None:
    text = TEXT + "  explain:\n    cmd: x\n    outs:\n    - path: data/explained\n      md5: '3'\n"
    found = lock.parse(text, "dvc.lock")
    assert lock.outputs(found)["data/explained"] == "3"
    assert lock.ordered(found) == [*lock.STAGES, "explain"]


def test_a_stage_that_is_not_there_is_refused_only_where_it_is_wanted() -> None:
    text = TEXT.partition("  evaluate:")[0]
    with pytest.raises(InputError, match="^dvc.lock: no entry of evaluate: run dvc repro"):
        lock.parse(text, "dvc.lock")
    assert list(lock.parse(text, "dvc.lock", wanted=())) == list(lock.STAGES[:4])


def _stage(deps: tuple[str, ...] = (), outs: tuple[str, ...] = ()) -> lock.Stage:
    return lock.Stage("", dict.fromkeys(deps, "1"), {}, dict.fromkeys(outs, "2"))


def test_stages_come_after_those_whose_outputs_they_read() -> None:
    found = {
        "tokenize": _stage(("data/more",), ("data/tokens",)),
        "preprocess": _stage(("files",), ("data/clean",)),
        "augment": _stage(("data/clean/train.parquet",), ("data/more",)),
    }
    assert lock.ordered(found) == ["preprocess", "augment", "tokenize"]


def test_two_locks_of_other_graphs_have_an_order_too() -> None:
    one = {"a": _stage(("y",), ("x",)), "b": _stage((), ("y",))}
    assert lock.ordered(one, {"b": _stage(("x",), ("z",))}) == ["a", "b"]

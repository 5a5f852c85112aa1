"""The blocks of docs/ that are no commands: params that are valid, files that are read, code that runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from ast import literal_eval
from collections.abc import Callable
from pathlib import Path

import pytest

from stages import params, predict, recipe
from stages.core import yaml12
from stages.core.params import decode
from stages.preprocess import Params
from stages.repro.determinism import STEERING
from tests.pipeline.closure import ROOT
from tests.pipeline.conftest import Block
from tests.pipeline.readme import PAGES, blocks

DEFAULT = (ROOT / "params.yaml").read_text(encoding="utf-8")
DATA = PAGES[ROOT / "docs/data.md"]
FORMATS = ("csv", "tsv", "json", "jsonl", "parquet", "tab")


def merged(block: str, folder: Path) -> str:
    """Return params.yaml with a block merged in, as a recipe is."""
    (folder / "block.yaml").write_text(f"# A block\n{block}", encoding="utf-8")
    return recipe.merged("block", DEFAULT, folder=folder)


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: " ".join(block.split())[:60])
def test_a_block_of_params_is_valid(tmp_path: Path, block: str) -> None:
    params.check(*yaml12.parse(merged(block, tmp_path), "block"), "block")


@pytest.mark.parametrize("name", FORMATS)
def test_the_file_of_a_format_is_read_by_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    section = re.split(r"^### ", DATA, flags=re.MULTILINE)[1 + FORMATS.index(name) + (name == "tab")]
    first, keys = re.findall(r"^```\w+\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[:2]
    monkeypatch.chdir(tmp_path)
    if name == "parquet":
        exec(first, {})
    else:
        Path(f"train.{name}").write_text(first, encoding="utf-8")
    data = decode(Params, *yaml12.parse(merged(keys, tmp_path), "keys"), "keys").data
    rows = list(data.format.rows(Path(f"train.{name}"), data.encoding, list(data.columns.values())))
    assert len(rows) == 4
    assert len({label for _, (_, label) in rows}) == 4


def test_transformers_gives_what_predict_gives(block: Callable[[str], Block]) -> None:
    ran = block(r"printf 'wheat prices rose sharply\nnet profit up in the quarter\n' | python -m stages.predict")
    ours = [json.loads(line) for line in next(iter(ran.said.values())).splitlines() if line.startswith("{")]
    code = "\n".join(blocks("python", "predict.md")) + "\nimport json; print(json.dumps(model.config.id2label))"
    said = ran.clone.run(f"cat > snippet.py <<'END'\n{code}\nEND\npython snippet.py 2>/dev/null").splitlines()
    labels, rows = literal_eval(said[-3].replace("] [[", "], [["))
    names = list(json.loads(said[-1]).values())
    piped = [{row["label"]: row["score"] for row in one} for one in literal_eval(said[-2])]
    assert labels == [one["label"] for one in ours]
    for one, row, other in zip(ours, rows, piped, strict=True):
        assert dict(zip(names, row, strict=True)) == pytest.approx(one["probabilities"], abs=1e-6)
        assert other == pytest.approx(one["probabilities"], abs=1e-6)


def test_a_pickle_is_converted(tmp_path: Path) -> None:
    make = "import torch; t = torch.ones(2, 3); torch.save({'a': t, 'b': t}, 'pytorch_model.bin')"
    code = "\n".join([make, *blocks("python", "model.md"), "from safetensors.torch import load_file"])
    show = "print({name: t.tolist() for name, t in load_file('model.safetensors').items()})"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{show}"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "{'a': [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]], 'b': [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]}\n"


def test_the_page_lists_every_variable_that_is_left_out() -> None:
    section = PAGES[ROOT / "docs/verify.md"].partition("## Settings of the shell")[2].partition("These are set")[0]
    assert tuple(re.findall(r"`([A-Z0-9_]+)`", section)[1:]) == STEERING


def test_the_page_lists_every_option_of_predict() -> None:
    options = {action.option_strings[-1] for action in predict.parser()._actions if action.option_strings}
    assert set(re.findall(r"^\| `(--[\w-]+)", PAGES[ROOT / "docs/predict.md"], re.MULTILINE)) == options - {"--help"}

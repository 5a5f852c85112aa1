"""Recipes: merged into params.yaml with its comments, valid as a whole, and in any order."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides

from stages import params, recipe
from stages.core import yaml12
from stages.core.errors import InputError

ROOT = Path(__file__).parents[1]
DEFAULT = (ROOT / "params.yaml").read_text(encoding="utf-8")
NAMES = sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml"))


def merged(name: str, text: str = DEFAULT) -> str:
    return recipe.merged(name, text, folder=ROOT / "recipes")


def values(text: str) -> Any:
    return yaml12.parse(text, "params.yaml")[0]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A params.yaml with the project's recipes beside it."""
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    (tmp_path / "params.yaml").write_text(DEFAULT, encoding="utf-8")
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / "recipes" / f"{name}.yaml").write_text(text, encoding="utf-8")


def apply(folder: Path, name: str, dry: bool = False) -> str:
    return recipe.apply(name, folder / "params.yaml", folder / "recipes", dry)


def refusal(folder: Path, name: str) -> str:
    before = (folder / "params.yaml").read_bytes()
    with pytest.raises(InputError) as caught:
        apply(folder, name)
    assert (folder / "params.yaml").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["params.yaml", "recipes"]
    return str(caught.value)


def test_the_recipes() -> None:
    assert [
        *(
            "20ng",
            "20ng-labels",
            "airline",
            "conll2003",
            "covid-qa",
            "gsm8k-smol",
            "labels",
            "r52",
            "r8",
            "r8-adapted",
            "r8-eda",
            "semeval2010-8",
            "sick-e",
            "sick-r",
        ),
        *("smoke", "smoke-chat", "sst2", "tsv", "wnut16"),
    ] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_has_a_line_that_says_what_it_is(name: str) -> None:
    assert len(recipe.summaries(ROOT / "recipes")[name]) > 20


@pytest.mark.parametrize("name", NAMES)
def test_each_gives_valid_params(name: str) -> None:
    params.check(*yaml12.parse(merged(name), name), name)


def test_the_default_is_r8() -> None:
    assert values(merged("r8")) == values(DEFAULT)


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(NAMES, 2)))
def test_none_leaves_a_trace_in_the_next(first: str, second: str) -> None:
    """To the byte: values, comments, layout. What this finds left over is a key that recipes/r8.yaml does not name."""
    assert merged(second, merged(first)) == merged(second)


@pytest.mark.parametrize("name", NAMES)
def test_r8_brings_the_default_back_to_the_byte(name: str) -> None:
    assert merged("r8", merged(name)) == DEFAULT


@pytest.mark.parametrize("name", [None, *NAMES])
def test_dvc_finds_nothing_to_lay_out_anew(name: str | None, tmp_path: Path) -> None:
    """What `dvc exp run -S` does to params.yaml before it runs: with the value that is there, not a byte changes."""
    path = tmp_path / "params.yaml"
    path.write_text(merged(name) if name else DEFAULT, encoding="utf-8")
    before = path.read_bytes()
    apply_overrides(path, ["seed=42"])
    assert path.read_bytes() == before
    apply_overrides(path, ["train.lr=3e-5", "train.epochs=7"])
    changed = set(path.read_text(encoding="utf-8").splitlines()) - set(before.decode().splitlines())
    assert sorted(line.split("#")[0].strip() for line in changed) == ["epochs: 7", "lr: 3e-05"]


def test_a_recipe_of_any_layout_is_laid_out_as_dvc_does(copy: Path) -> None:
    text = "# Wide\ndata:\n  keep: {column: 'a', pattern: \"(?i)b c\"}\ntrain: {betas: [0.5, 0.9], clip_norm: null}\n"
    write(copy, "wide", text)
    apply(copy, "wide")
    before = (copy / "params.yaml").read_bytes()
    assert values(before.decode())["data"]["keep"] == {"column": "a", "pattern": "(?i)b c"}
    apply_overrides(copy / "params.yaml", ["seed=42"])
    assert (copy / "params.yaml").read_bytes() == before


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_is_what_dvc_reads(name: str) -> None:
    from ruamel.yaml import YAML

    assert values(merged(name)) == YAML(typ="safe", pure=True).load(merged(name))


def test_a_change_of_one_value_is_taken_back(copy: Path) -> None:
    (copy / "params.yaml").write_text(DEFAULT.replace("epochs: 2 ", "epochs: 9 "), encoding="utf-8")
    assert [line for line in apply(copy, "r8").splitlines() if line[0] in "+-"][2:] == [
        "-  epochs: 9                     # passes over the training rows, >= 1",
        "+  epochs: 2                     # passes over the training rows, >= 1",
    ]
    assert (copy / "params.yaml").read_text(encoding="utf-8") == DEFAULT


def test_what_the_recipe_does_not_name_stays(copy: Path) -> None:
    changed = DEFAULT.replace("seed: 42 ", "seed: 7  ")
    (copy / "params.yaml").write_text(changed, encoding="utf-8")
    apply(copy, "airline")
    assert values((copy / "params.yaml").read_text(encoding="utf-8"))["seed"] == 7


def test_twice_is_once(copy: Path) -> None:
    assert apply(copy, "smoke") != ""
    once = (copy / "params.yaml").stat().st_mtime_ns, (copy / "params.yaml").read_bytes()
    assert apply(copy, "smoke") == ""
    assert ((copy / "params.yaml").stat().st_mtime_ns, (copy / "params.yaml").read_bytes()) == once


def test_a_dry_run_shows_and_does_not_write(copy: Path) -> None:
    shown = apply(copy, "r52", dry=True)
    assert "+  epochs: 8                     # passes over the training rows, >= 1\n" in shown
    assert (copy / "params.yaml").read_text(encoding="utf-8") == DEFAULT
    assert apply(copy, "r52") == shown


def test_floats_stay_as_they_are_written(copy: Path) -> None:
    write(copy, "fast", "# Fast\ntrain: {lr: 3e-5, epsilon: 1e-8, clip_norm: null}\n")
    apply(copy, "fast")
    text = (copy / "params.yaml").read_text(encoding="utf-8")
    assert "  lr: 3e-5                      # peak learning rate, (0, 1)\n" in text
    assert "  epsilon: 1e-8                 # AdamW, > 0\n" in text
    assert "  clip_norm:                    # largest gradient norm" in text
    assert values(text)["train"]["lr"] == 3e-5


def test_an_equal_value_keeps_its_spelling(copy: Path) -> None:
    (copy / "params.yaml").write_text(DEFAULT.replace("lr: 2e-4 ", "lr: 0.0002"), encoding="utf-8")
    assert apply(copy, "r8") == ""


def test_a_plug_in_is_replaced_whole(copy: Path) -> None:
    write(copy, "frozen", "# Frozen\ntrain:\n  tuning: {name: frozen, layers: 3}\n")
    write(copy, "biases", "# Biases\ntrain:\n  tuning: {name: bitfit}\n")
    apply(copy, "frozen")
    apply(copy, "biases")
    assert values((copy / "params.yaml").read_text(encoding="utf-8"))["train"]["tuning"] == {"name": "bitfit"}


def test_unknown_recipe(copy: Path) -> None:
    assert refusal(copy, "r53") == f"r53: no such recipe in {copy / 'recipes'} (nearest: 'r52')"


def test_unknown_key(copy: Path) -> None:
    write(copy, "bad", "# Bad\ntrain: {epoch: 3}\n")
    assert refusal(copy, "bad").endswith("train.epoch: unknown key (nearest: 'epochs', 'epsilon')")


def test_value_out_of_range(copy: Path) -> None:
    write(copy, "bad", "# Bad\nevaluate: {bootstrap: 3}\n")
    message = refusal(copy, "bad")
    assert message.startswith(f"{copy / 'params.yaml'} with recipe bad, line ")
    assert message.endswith("evaluate.bootstrap: found 3, wanted greater than or equal to 100")


def test_recipe_that_stands_on_itself(copy: Path) -> None:
    write(copy, "egg", "# Egg\nbase: hen\n")
    write(copy, "hen", "# Hen\nbase: egg\n")
    assert refusal(copy, "hen").endswith("hen.yaml: stands on itself (hen on egg on hen)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# Bad\n- 1\n", "bad.yaml: found no sections to merge"),
        ("", "bad.yaml: found no sections to merge"),
        ("# Bad\ntrain: {lr: 1\n", "bad.yaml, line 3: not valid YAML: expected ',' or '}', but got '<stream end>'"),
    ],
)
def test_broken_recipe(copy: Path, text: str, message: str) -> None:
    write(copy, "bad", text)
    assert refusal(copy, "bad") == f"{copy / 'recipes'}/{message}"


def test_a_read_only_folder(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def refuse(old: Path, new: Path) -> None:
        if old.name.endswith(".partial"):
            raise PermissionError(13, "Permission denied")
        replace(old, new)

    monkeypatch.setattr(os, "replace", refuse)
    assert refusal(copy, "r52") == f"{copy / 'params.yaml'}: cannot be written: Permission denied"


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stages.recipe", *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_command(copy: Path) -> None:
    listed = command(copy)
    assert listed.returncode == 0
    lines = listed.stdout.splitlines()
    assert sorted(line.split()[0] for line in lines if line.startswith("  ")) == NAMES
    tasks = [line for line in lines if not line.startswith("  ")]
    assert {"text × classes", "words × tags", "marked × relations", "passage × span"} <= set(tasks)
    assert lines.index("text × classes") < [line.split()[0] for line in lines].index("r8")
    applied = command(copy, "tsv")
    assert applied.stdout.startswith("--- params.yaml\n+++ params.yaml with recipe tsv\n@@ ")
    assert applied.stdout.endswith("\nparams.yaml is now recipe tsv\n")
    assert "\x1b" not in applied.stdout
    assert command(copy, "tsv").stdout == "params.yaml is already recipe tsv\n"
    unknown = command(copy, "tsw")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr == "recipe: error: tsw: no such recipe in recipes (nearest: 'tsv')\n"


def test_run_as_a_file() -> None:
    ended = subprocess.run([sys.executable, ROOT / "stages" / "recipe.py"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "run me as: python -m stages.recipe\n")

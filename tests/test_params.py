"""params.yaml as a whole: what every stage says of it at once, and its schema for editors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages import params
from stages.core import yaml12
from stages.core.errors import InputError
from stages.core.params import SECTIONS, dvc_keys
from stages.recipe import WHOLE

ROOT = Path(__file__).parents[1]
DEFAULT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def problems(old: str, new: str) -> list[str]:
    assert old in DEFAULT
    with pytest.raises(InputError) as caught:
        params.check(*yaml12.parse(DEFAULT.replace(old, new, 1), "params.yaml"), "params.yaml")
    return str(caught.value).splitlines()


def line(text: str) -> int:
    """Return the number of the first line of params.yaml that begins with `text`."""
    return next(i for i, found in enumerate(DEFAULT.splitlines(), 1) if found.startswith(text))


def keys(tree: Any, depth: int) -> set[str]:
    """Return the dotted keys of the first `depth` levels of a tree; a null or a plug-in ends a branch."""
    found = set()
    for key, value in tree.items():
        inner = keys(value, depth - 1) if isinstance(value, dict) and depth > 1 else set()
        found |= {f"{key}.{name}" for name in inner} or {key}
    return found


def test_the_committed_params_are_valid() -> None:
    params.check(*yaml12.read(ROOT / "params.yaml"), "params.yaml")


def test_every_key_is_read_by_a_stage() -> None:
    tree = yaml12.read(ROOT / "params.yaml")[0]
    read = {key for model in params.STAGES.values() for key in dvc_keys(model)}
    unread = {key for key in keys(tree, 2) if key not in read and key.split(".")[0] not in read}
    assert unread == set()


def test_sections_stand_in_their_order() -> None:
    assert tuple(yaml12.read(ROOT / "params.yaml")[0]) == SECTIONS


def test_a_teacher_and_the_objective_that_learns_from_it_belong_together() -> None:
    where = f"params.yaml, line {line('  teacher:')}: model.teacher: "
    assert problems("    name: plain", "    name: distil") == [
        f"{where}found null, wanted the model from which train.objective distil learns"
    ]
    teacher = f"  teacher: {{kind: run, commit: {'a' * 40}}}\n"
    assert problems("  teacher:  ", f"{teacher}  # ") == [
        f"{where}a model that train.objective plain does not read: wanted null, or distil"
    ]


def test_problems_of_all_stages_are_told_at_once_and_once() -> None:
    broken = DEFAULT.replace("seed: 42", "seed: many").replace("  max_length: 96", "  max_length: 0")
    broken = broken.replace("  bootstrap: 1000", "  bootstraps: 1000")
    with pytest.raises(InputError) as caught:
        params.check(*yaml12.parse(broken, "params.yaml"), "params.yaml")
    assert str(caught.value).splitlines() == [
        f'params.yaml, line {line("seed:")}: seed: found "many", wanted a valid integer',
        f"params.yaml, line {line('  max_length:')}: tokenize.max_length: found 0, wanted greater than or equal to 3",
        f"params.yaml, line {line('evaluate:')}: evaluate.bootstrap: missing",
        f"params.yaml, line {line('  bootstrap:')}: evaluate.bootstraps: unknown key (nearest: 'bootstrap',"
        " 'bootstrap_seed')",
    ]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("  lr: 2e-4", "  lr: fast", '  lr:|train.lr: found "fast", wanted a valid number'),
        ("  lr: 2e-4", "  lr: 1.5", "  lr:|train.lr: found 1.5, wanted less than 1"),
        ("  epochs:", "  epoch:", "  epochs:|train.epoch: unknown key (nearest: 'epochs', 'epsilon')"),
        ("train:\n", "trian:\n", "train:|trian: unknown section (nearest: 'train')"),
        ("  batch_size: 16", "  batch_size: 12", "train:|train: batch_size 12 is not a multiple of shard_size 8"),
        (
            "    kind: package",
            "    kind: pakage",
            "  source:|data.source.kind: unknown kind 'pakage' (nearest: 'package')",
        ),
        ("    name: full", "    name: loar", "  tuning:|train.tuning.name: unknown name 'loar' (nearest: 'lora')"),
        ("  keep: ", "  keep: {colum: text} ", "  keep:|data.keep.colum: unknown key (nearest: 'column')"),
    ],
)
def test_message(old: str, new: str, found: str) -> None:
    where, message = found.split("|")
    told = problems(old, new)
    assert any(text.startswith(f"params.yaml, line {line(where)}: {message}") for text in told), told


def test_the_schema_is_current() -> None:
    committed = (ROOT / "params.schema.json").read_text(encoding="utf-8")
    assert committed == params.schema(), "the params models have changed: run `make schema`"


def resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    return schema["$defs"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node


def test_the_schema_knows_the_keys_of_params_yaml_and_no_others() -> None:
    schema = json.loads(params.schema())
    known = set()
    for name, node in schema["properties"].items():
        inner = resolved(node, schema)
        plain = "properties" not in inner or name in WHOLE
        known |= {name} if plain else {f"{name}.{key}" for key in inner["properties"]}
        assert plain or inner["additionalProperties"] is False
    assert schema["additionalProperties"] is False
    tree = yaml12.read(ROOT / "params.yaml")[0]
    assert known == keys(tree | dict.fromkeys(WHOLE), 2)


def test_the_schema_gives_ranges_and_choices() -> None:
    schema = json.loads(params.schema())
    train = resolved(schema["properties"]["train"], schema)["properties"]
    assert (train["lr"]["exclusiveMinimum"], train["lr"]["exclusiveMaximum"]) == (0, 1)
    assert train["schedule"]["enum"] == ["linear", "cosine", "constant"]
    source = resolved(schema["properties"]["data"], schema)["properties"]["source"]
    assert sorted(source["discriminator"]["mapping"]) == ["file", "hub", "package", "run", "url"]


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stages.params", *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_command(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(DEFAULT, encoding="utf-8")
    ended = command(tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "params.yaml: ok\n", "")
    (tmp_path / "other.yaml").write_text(DEFAULT.replace("seed: 42", "seed: -1"), encoding="utf-8")
    ended = command(tmp_path, "--params", "other.yaml")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"params: error: other.yaml, line {line('seed:')}: seed: found -1, wanted greater than or equal to 0\n"
    )


def test_command_prints_the_schema(tmp_path: Path) -> None:
    assert command(tmp_path, "--schema").stdout == params.schema()


def test_run_as_a_file() -> None:
    ended = subprocess.run([sys.executable, ROOT / "stages" / "params.py"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "run me as: python -m stages.params\n")

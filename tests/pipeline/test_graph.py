"""dvc.yaml agrees with the code: an undeclared dependency would leave a stale result standing."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from stages.augmentation import AUGMENTATION
from stages.averages import AVERAGES
from stages.core import yaml12
from stages.core.params import dvc_keys
from stages.formats import FORMATS
from stages.inputs import INPUTS
from stages.objectives import OBJECTIVES
from stages.regularisers import REGULARISERS
from stages.sources import SOURCES
from stages.targets import TARGETS
from stages.tuning import TUNING
from tests.pipeline.closure import ROOT, closure, dependencies

STAGES = ("download", "preprocess", "tokenize", "finetune", "evaluate")
COMPUTING = STAGES[1:]
ROOMS = ("augmentation", "averages", "formats", "inputs", "objectives", "regularisers", "sources", "targets", "tuning")
REGISTRIES = {f"stages/{room}/__init__.py" for room in ROOMS}
REGISTERED = {
    "augmentation.name": AUGMENTATION,
    "data.format.name": FORMATS, "data.source.kind": SOURCES, "input.name": INPUTS, "model.source.kind": SOURCES,
    "target.name": TARGETS, "train.average.name": AVERAGES, "train.objective.name": OBJECTIVES,
    "train.regularise.name": REGULARISERS, "train.tuning.name": TUNING,
}  # fmt: skip
GRAPH: dict[str, Any] = yaml12.read(ROOT / "dvc.yaml")[0]["stages"]


def difference(declared: set[str], found: set[str], where: str) -> str:
    """Return what to do to dvc.yaml, one line a step; "" when nothing is."""
    steps = [f"add {name}" for name in sorted(found - declared)]
    steps += [f"remove {name}" for name in sorted(declared - found)]
    return "".join(f"\ndvc.yaml, {where}: {step}" for step in steps)


def outputs(stage: str) -> list[str]:
    """Return all that a stage writes: outs, metrics and plots."""
    entries = [entry for kind in ("outs", "metrics", "plots") for entry in GRAPH[stage].get(kind, [])]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def docstring(stage: str) -> str:
    return ast.get_docstring(ast.parse((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8"))) or ""


def test_the_stages() -> None:
    assert tuple(GRAPH) == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_command(stage: str) -> None:
    assert GRAPH[stage]["cmd"] == f"python -m stages.{stage}"


@pytest.mark.parametrize("stage", STAGES)
def test_params_are_those_the_stage_reads(stage: str) -> None:
    model = importlib.import_module(f"stages.{stage}").Params
    wrong = difference(set(GRAPH[stage]["params"]), set(dvc_keys(model)), f"{stage}.params")
    assert not wrong, wrong


def files(deps: Iterable[str]) -> set[str]:
    """Return the Python files that paths of files and folders stand for."""
    found = [ROOT / dep for dep in deps if dep.startswith("stages/")]
    inner = [file for path in found for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    return {file.relative_to(ROOT).as_posix() for file in inner}


def named(dep: str) -> dict[str, str]:
    """Return {plug-in: path} of a dep that names one by ${…}; {} of any other."""
    key = re.search(r"\$\{(.*?)\}", dep)
    return {name: dep.replace(key[0], name) for name in REGISTERED[key[1]]} if key else {}


def modules(paths: Iterable[str]) -> list[str]:
    return [path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in files(paths)]


@pytest.mark.parametrize("stage", STAGES)
def test_code_deps_are_the_import_closure_of_the_stage_and_of_every_plugin(stage: str) -> None:
    plugins = [path for dep in GRAPH[stage]["deps"] for path in named(dep).values()]
    declared = files([dep for dep in GRAPH[stage]["deps"] if "${" not in dep]) | files(plugins)
    found = closure(f"stages.{stage}").union(*(closure(module) for module in modules(plugins)))
    wrong = difference(declared, found - REGISTRIES - {"stages/__init__.py"}, f"{stage}.deps")
    assert not wrong, wrong


@pytest.mark.parametrize("stage", STAGES)
def test_a_plugin_needs_nothing_of_another(stage: str) -> None:
    deps = GRAPH[stage]["deps"]
    shared = files([dep for dep in deps if "${" not in dep]) | REGISTRIES | {"stages/__init__.py"}
    for key, registry in REGISTERED.items():
        for name in registry:
            own = {named(dep)[name] for dep in deps if f"${{{key}}}" in dep}
            found = set().union(*(closure(module) for module in modules(own)))
            assert found <= shared | files(own), (key, name)


@pytest.mark.parametrize("file", sorted(f"stages/{r}/__init__.py" for r in ROOMS))
def test_a_registry_holds_nothing_but_names(file: str) -> None:
    """It is no dependency: whatever stood in it could change a result unseen."""
    doc, table = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    assert isinstance(doc, ast.Expr)
    assert isinstance(table, ast.Assign)
    found = ast.literal_eval(table.value)
    assert all(f"stages.{Path(file).parent.name}.{name}" in where for name, where in found.items())


@pytest.mark.parametrize("stage", COMPUTING)
def test_what_computes_depends_on_the_versions(stage: str) -> None:
    assert "requirements.lock" in GRAPH[stage]["deps"]


@pytest.mark.parametrize("stage", STAGES)
def test_lists_are_sorted_and_free_of_repeats(stage: str) -> None:
    for kind in ("deps", "params", "outs"):
        assert GRAPH[stage][kind] == sorted(set(GRAPH[stage][kind])), kind


@pytest.mark.parametrize("stage", STAGES)
def test_data_deps_are_what_an_earlier_stage_writes(stage: str) -> None:
    earlier = {path for name in STAGES[: STAGES.index(stage)] for path in outputs(name)}
    data = {dep for dep in GRAPH[stage]["deps"] if not dep.startswith("stages/")} - {"requirements.lock", "files"}
    assert {path for path in data if not any(_within(path, known) for known in earlier)} == set()


@pytest.mark.parametrize("stage", STAGES)
def test_docstring_names_what_is_read_and_written(stage: str) -> None:
    text = docstring(stage)
    deps = {dep for dep in GRAPH[stage]["deps"] if not dep.startswith("stages/")} - {"requirements.lock", "files"}
    unnamed = sorted(p for p in deps | set(outputs(stage)) if p not in text and str(Path(p).parent) + "/" not in text)
    assert not unnamed, f"stages/{stage}.py: the docstring names none of {unnamed}"
    named = set(re.findall(r"\b(?:data|models|metrics)/[\w/.-]*\w", text))
    known = deps | set(outputs(stage))
    stray = sorted(p for p in named if not any(_within(p, k) or _within(k, p) for k in known))
    assert not stray, f"stages/{stage}.py: the docstring names {stray}, which dvc.yaml does not"


def _within(path: str, known: str) -> bool:
    return path == known or path.startswith(known + "/")


@pytest.mark.parametrize("stage", STAGES)
def test_docstring_says_how_to_run_it(stage: str) -> None:
    assert f"python -m stages.{stage}" in docstring(stage)


def test_the_package_itself_holds_no_code() -> None:
    body = ast.parse((ROOT / "stages" / "__init__.py").read_text(encoding="utf-8")).body
    assert all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


@pytest.mark.parametrize("module", ["download", "preprocess", "tokenize", "finetune", "evaluate", "params", "recipe"])
def test_imports_without_torch(module: str) -> None:
    """Params, digests and what needs no model start fast; workers set their environment before torch is there."""
    program = f"import sys, stages.{module}; print(sorted({{'torch', 'transformers'}} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def package(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_closure(tmp_path: Path) -> None:
    """Functions and packages' __init__ count, names that are no modules and TYPE_CHECKING do not."""
    root = package(
        tmp_path,
        {
            "own/__init__.py": "",
            "own/start.py": "import os\nfrom own.room import thing\nif TYPE_CHECKING:\n    import own.types_only\n",
            "own/types_only.py": "",
            "own/unused.py": "",
            "own/room/__init__.py": "from own.room.plug import Plug\n",
            "own/room/plug.py": "def f():\n    import own.late.deep\n",
            "own/late/__init__.py": "",
            "own/late/deep.py": "from . import beside\nfrom .. import single\n",
            "own/late/beside.py": "",
            "own/late/idle.py": "",
            "own/single.py": "from own import start\n",
        },
    )
    assert closure("own.start", root) == {
        "own/__init__.py",
        "own/start.py",
        "own/room/__init__.py",
        "own/room/plug.py",
        "own/late/__init__.py",
        "own/late/deep.py",
        "own/late/beside.py",
        "own/single.py",
    }
    late = {f"own/late/{name}.py" for name in ("__init__", "beside", "deep")}
    assert dependencies("own.start", root) == {"own/start.py", "own/room", "own/single.py"} | late


def test_difference() -> None:
    assert difference({"a", "b"}, {"b", "c"}, "x.deps") == "\ndvc.yaml, x.deps: add c\ndvc.yaml, x.deps: remove a"
    assert difference({"a"}, {"a"}, "x.deps") == ""

"""Every environment of the registry, and what each asks of a run."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.repro import determinism, placement
from stages.verification import environments
from stages.verification.derivation import BACKWARDS, variables
from stages.verification.environments import ENVIRONMENTS, Setting
from stages.verification.environments.workers import Workers, shards

PAGE = (Path(__file__).parents[2] / "docs/verify.md").read_text(encoding="utf-8")
HARMLESS = {"same", "workers", "threads", "hostile", "hermetic", "interrupted"}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_contract(name: str) -> None:
    kind = ENVIRONMENTS[name]
    assert len(dataclasses.fields(kind)) <= 1
    assert kind.harmless is (name in HARMLESS)
    made = environments.of("interpreter=/a/python" if name == "interpreter" else name)
    assert isinstance(made.setting(), Setting)
    assert f"| `{name}" in PAGE


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("same", {}),
        ("workers=4", {"REPRISE_WORKERS": "4"}),
        ("interrupted=3", {"kills": "3"}),
        ("interpreter=/a/python", {"interpreter": "/a/python"}),
        ("isa", {"REPRISE_ISA": "avx2"}),
        ("isa=default", {"REPRISE_ISA": "default"}),
    ],
)
def test_what_is_asked(text: str, asked: dict[str, str]) -> None:
    assert environments.of(text).setting().asked() == asked


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("isa=sse", "found 'isa=sse', wanted 'avx2' or 'default'"),
        ("same=1", "same takes no value, found '1'"),
        ("interpreter", "found 'interpreter', wanted interpreter=VALUE"),
        ("interrupted=0", "found 'interrupted=0', wanted greater than or equal to 1"),
    ],
)
def test_a_wrong_value_is_told(text: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        environments.of(text)
    assert str(refused.value) == f"--environments: {message}"


@pytest.mark.parametrize(("count", "most"), [(1, 1), (2, 2), (2, 4), (4, 4)])
def test_a_count_of_workers_that_a_batch_allows(count: int, most: int) -> None:
    Workers(count).check(most)


@pytest.mark.parametrize(("count", "most"), [(2, 1), (4, 2), (3, 4)])
def test_a_count_of_workers_that_no_run_would_take_is_told_beforehand(count: int, most: int) -> None:
    with pytest.raises(InputError) as refused:
        Workers(count).check(most)
    assert f"found workers={count}, wanted a power of two from 1 to {most}: a batch has" in str(refused.value)


@pytest.mark.parametrize("cores", [1, 2, 64])
@pytest.mark.parametrize("most", [2, 4, 8])
def test_the_count_by_itself_is_another_than_the_usual_and_allowed(
    monkeypatch: pytest.MonkeyPatch, cores: int, most: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.delenv("REPRISE_WORKERS", raising=False)
    chosen = Workers()
    chosen.check(most)
    assert chosen.count != placement.count(most)


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"train": {"batch_size": 16, "shard_size": 8}}, 2),
        ({"train": {"batch_size": 16, "shard_size": 0}}, None),
        ({"train": {"batch_size": 16}}, None),
        ([], None),
    ],
)
def test_shards_of_a_batch(params: object, found: int | None) -> None:
    assert shards(params) == found


def test_what_steers_a_stage_does_not_leak_into_a_derivation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ("REPRISE_WORKERS", "GIT_DIR", "PYTHONPATH", "RANK", "DVC_GLOBAL_CONFIG_DIR")
    for name in (
        *ours,
        *determinism.ENVIRONMENT.keys() - {n for n in determinism.ENVIRONMENT if n.startswith("MALLOC")},
        *(f"{name}X" for name in determinism.STEERING),
        determinism.LOADED,
    ):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("REPRISE_CACHE", str(tmp_path / "archives"))
    found = variables(environments.of("hostile").setting(), tmp_path)
    assert "mine" not in found.values()
    assert found["REPRISE_CACHE"] == str(tmp_path / "archives")
    assert found["HOME"] == str(tmp_path / "home")
    own, ours = str(tmp_path / "bin"), str(Path(sys.executable).parent)
    assert found["PATH"].split(os.pathsep)[:2] == [own, ours]  # its own: what runs each stage hermetically


def test_folders_are_listed_backwards(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BACKWARDS, encoding="utf-8")
    for name in ("a/x", "b", "c"):
        (tmp_path / "listed" / name).mkdir(parents=True)
    program = (
        "import os; from pathlib import Path; print(os.listdir('listed'), [p.name for p in Path('listed').iterdir()],"
        " [p.name for p in Path('listed').glob('*')], [n for _, n, _ in os.walk('listed')][0],"
        " sorted(p.name for p in Path('listed').rglob('*')))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    backwards = ["c", "b", "a"]
    assert ended.stdout == f"{backwards} {backwards} {backwards} {backwards} ['a', 'b', 'c', 'x']\n"

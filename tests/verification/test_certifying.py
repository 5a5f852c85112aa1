"""A certificate held against the repository and against the pages beside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stages import verify
from stages.core.files import write_json
from stages.project import lock
from stages.repro.digests import of_bytes
from stages.verification import certificate, certificate_page, certifying, document, plan
from stages.verification.certificate import Circumstances, Core, Environment, overall
from stages.verification.grades import Tolerances, grade
from stages.verification.records import Evidence
from tests.project.repository import Repository, given_away
from tests.project.test_git import UNSAFE

CODE = ("stages/core", "stages/finetune.py", "requirements.lock")
HAD = {"processor": "toy"}
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Return a repository with code, dvc.lock and the record of an environment."""
    made = Repository(tmp_path / "project")
    for name in ("stages/core/a.py", "stages/core/b/c.py", "stages/finetune.py", "requirements.lock"):
        made.put(name, f"# {name}\n")
    deps = [{"path": path, "md5": plan.md5(made.root / path)} for path in CODE]
    stages, graph = {}, {}
    for stage in lock.STAGES:
        out = {"path": f"data/{stage}", "md5": "1"}
        params = {"params.yaml": {"seed": 1, "train": {"lr": 0.5}}}
        stages[stage] = {"cmd": f"run {stage}", "deps": deps, "params": params, "outs": [out]}
        graph[stage] = {"cmd": f"run {stage}", "deps": [*CODE], "params": ["seed", "train"], "outs": [out["path"]]}
    made.put("dvc.yaml", json.dumps({"stages": graph}))
    made.put("params.yaml", "seed: 1\ntrain:\n  lr: 0.5\n")
    made.put("recipes/toy.yaml", "train:\n  lr: 0.25\n")
    made.put("recipes/smoke.yaml", "base: toy\nseed: 2\n")
    made.put("recipes/same.yaml", "seed: 1\n")
    made.put("dvc.lock", json.dumps({"schema": "2.0", "stages": stages}))
    made.put("metrics/environment.json", json.dumps({"finetune": {"processor": "toy", "seconds": 3}}))
    made.git("init", "-q", "-b", "main")
    made.commit()
    return made


def held(repository: Repository, change: Change = lambda fields: None) -> Path:
    """Write an honest certificate of the commit, but for what `change` does before anything is digested."""
    text = (repository.root / "dvc.lock").read_bytes()
    found = lock.parse(text.decode(), "dvc.lock")
    evidence = Evidence(compared=dict.fromkeys(lock.STAGES, 1))
    given, reason = grade(evidence, Tolerances())
    same = Environment(harmless=True, asked={}, had=HAD, grade=given, reason=reason, evidence=evidence)
    total, elsewhere = overall({"same": same})
    fields: dict[str, Any] = {
        "commit": repository.git("rev-parse", "HEAD").strip(), "edits": {}, "recipe": None, "reference": "committed",
        "reference_environment": HAD, "lock": of_bytes(text), "params": lock.params(found),
        "code": {path: plan.md5(repository.root / path) for path in CODE},
        "outputs": {stage: dict(entry.outs) for stage, entry in found.items()}, "tolerances": Tolerances(),
        "environments": {"same": same}, "grade": total, "elsewhere": elsewhere,
        "not_compared": certificate.not_compared({"same": same}),
    }  # fmt: skip
    change(fields)
    core = Core(**fields)
    path = repository.root.parent / "reproduction.json"
    around = Circumstances(finished="2026-01-01T00:00:00+00:00", host="here", seconds={}, kills={})
    write_json(path, certificate.made(core, around, dict.fromkeys(certificate.outputs(core), "f" * 64)))
    document.written(certificate_page.document(core), path)
    return path


def test_an_honest_one_holds(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert certifying.check(held(repository), repository.root) == []
    assert capsys.readouterr().err == ""


SMOKE = {"seed": "2", "train.lr": "0.25"}


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (lambda f: f.update(lock="0" * 64), "core.lock: not the SHA-256 of the dvc.lock of commit "),
        (lambda f: f["outputs"]["evaluate"].update({"data/evaluate": "2"}), "core.outputs: not those of the dvc.lock"),
        (lambda f: f.update(params={**f["params"], "seed": "2"}), "core.params: not those of the dvc.lock of commit "),
        (lambda f: f["code"].update({"stages/finetune.py": "2"}), "core.code: not those of the dvc.lock of commit "),
        (
            lambda f: f.update(reference_environment={"processor": "another"}),
            "core.environments.same.evidence.inputs: not what tells core.reference_environment from had",
        ),
        (
            lambda f: f.update(tolerances=Tolerances(margins={"accuracy": 0.5}, worst={"accuracy": 0.0})),
            "core.tolerances: not the margins and worst scores of metrics/evaluate.json of commit ",
        ),
        (lambda f: f.update(reference="derived"), "core.reference: derived, but without a recipe the reference is "),
        (
            lambda f: f.update(reference="derived", recipe="same"),
            "core.reference: derived, but recipe same is what the commit holds: its dvc.lock counts",
        ),
        (lambda f: f.update(recipe="none"), "recipes/none.yaml of commit "),
        (lambda f: f.update(recipe="smoke"), "core.params.seed: not as in params.yaml of commit "),
    ],
)
def test_what_the_commit_does_not_say_is_named(repository: Repository, change: Change, flaw: str) -> None:
    said = certifying.check(held(repository, change), repository.root)
    assert said
    assert said[0].startswith(flaw)


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (lambda f: f.update(code={}), "core.code: empty: nothing is certified"),
        (lambda f: f["code"].pop("stages/core"), "core.code.stages/core: not as in commit "),
        (lambda f: f["code"].update({"stages/more.py": "1"}), "core.code.stages/more.py: not as in commit "),
        (lambda f: f["code"].update({"stages/core": "1"}), "core.code.stages/core: not as in commit "),
        (lambda f: f.update(outputs={}), "core.outputs: empty: nothing is certified"),
        (lambda f: f["outputs"].pop("evaluate"), "core.outputs.evaluate: not as in dvc.yaml of commit "),
        (lambda f: f["outputs"].update(evaluate={}), "core.outputs.evaluate: empty: nothing is certified"),
        (lambda f: f.update(params={}), "core.params: empty: nothing is certified"),
        (lambda f: f["params"].update(seed="3"), "core.params.seed: not as in params.yaml of commit "),
        (lambda f: f["params"].pop("train.lr"), "core.params.train.lr: not as in params.yaml of commit "),
        (lambda f: f.update(environments={}), "core.environments: empty: nothing is certified"),
    ],
)
def test_a_derived_reference_is_what_the_commit_declares(repository: Repository, change: Change, flaw: str) -> None:
    def derived(fields: dict[str, Any]) -> None:
        fields.update(reference="derived", recipe="smoke", params=dict(SMOKE))
        change(fields)

    said = certifying.check(held(repository, derived), repository.root)
    assert [line for line in said if line.startswith(flaw)], said


@pytest.mark.parametrize(
    ("old", "new", "flaw"),
    [
        ('"seed": 1', '"seed": 3', "core.params.seed: not as in params.yaml of commit "),
        ('"lr": 0.5', '"lr": 0.1', "core.params.train.lr: not as in params.yaml of commit "),
        ('"run finetune"', '"run another"', "core.lock: finetune.cmd: run another, but the commit has run finetune"),
    ],
)
def test_a_falsified_lock_is_told_without_deriving(repository: Repository, old: str, new: str, flaw: str) -> None:
    text = (repository.root / "dvc.lock").read_text()
    assert old in text
    repository.put("dvc.lock", text.replace(old, new))
    repository.commit()
    assert [line for line in certifying.check(held(repository), repository.root) if line.startswith(flaw)]


@pytest.mark.parametrize(
    ("change", "notes"),
    [
        (lambda f: f.update(commit="0" * 40), ["no commit 000000000000 in this repository: nothing of it is compared"]),
        (
            lambda f: f.update(edits={"dvc.lock": "0" * 64}, lock="0" * 64),
            ["dvc.lock is one of the edited files: lock and outputs are not compared with the commit"],
        ),
        (
            lambda f: f.update(edits={"metrics/environment.json": "deleted"}),
            [
                "metrics/environment.json is one of the edited files: core.reference_environment is not compared with "
                "the commit"
            ],
        ),
        (
            lambda f: f.update(reference="derived", recipe="smoke", lock="0" * 64, params=dict(SMOKE)),
            ["the reference is a run that is not committed: its dvc.lock, digests and environment are not compared"],
        ),
        (
            lambda f: f.update(
                reference="derived", recipe="smoke", params={"seed": "9"}, edits={"params.yaml": "0" * 64}
            ),
            [
                "the reference is a run that is not committed: its dvc.lock, digests and environment are not compared",
                "params.yaml: edited, so params, code and commands are not compared with the commit",
            ],
        ),
        (
            lambda f: f.update(
                edits={"stages/core/a.py": "0" * 64, "dvc.lock": "0" * 64}, code={**f["code"], "stages/core": "0" * 32}
            ),
            [
                "dvc.lock is one of the edited files: lock and outputs are not compared with the commit",
                "stages/core: edited, so not compared with the commit",
            ],
        ),
    ],
)
def test_what_is_not_held_against_the_commit_is_noted(
    repository: Repository, capsys: pytest.CaptureFixture[str], change: Change, notes: list[str]
) -> None:
    assert certifying.check(held(repository, change), repository.root) == []
    assert capsys.readouterr().err.splitlines() == [f"note: {note}" for note in notes]


def test_a_refusal_of_git_is_no_answer(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = held(repository)
    given_away(repository.root, monkeypatch)
    monkeypatch.chdir(repository.root)
    monkeypatch.setattr(sys, "argv", ["verify", "check", str(path)])
    with pytest.raises(SystemExit) as ended:
        verify.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"verify: error: git rev-parse: {UNSAFE.format(repository.root)}\n"


def test_a_certificate_is_checked_by_itself_where_there_is_no_repository(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    path = held(repository)
    assert certifying.check(path, path.parent) == []
    wanted = "note: this folder is in no Git repository: nothing is compared with the commit\n"
    assert capsys.readouterr().err == wanted


@pytest.mark.parametrize("reference", ["committed", "derived"])
def test_a_check_runs_nothing_that_the_repository_names(repository: Repository, reference: str) -> None:
    ran = repository.plant()
    derived = {"reference": "derived", "recipe": "smoke", "params": dict(SMOKE)}
    path = held(repository, lambda f: f.update(derived if reference == "derived" else {}))
    assert list(ran.iterdir()) == []
    assert certifying.check(path, repository.root) == []
    assert list(ran.iterdir()) == []


def test_a_branch_that_is_called_as_an_id_would_be_is_no_commit(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    for length in (50, 64):
        repository.git("branch", "a" * length)
    with pytest.raises(ValidationError, match="commit"):
        held(repository, lambda f: f.update(commit="a" * 50))
    assert certifying.check(held(repository, lambda f: f.update(commit="a" * 64)), repository.root) == []
    wanted = "note: no commit aaaaaaaaaaaa in this repository: nothing of it is compared\n"
    assert capsys.readouterr().err == wanted


@pytest.mark.parametrize("suffix", [".md", ".html"])
def test_a_page_that_says_something_else_is_named(repository: Repository, suffix: str) -> None:
    path = held(repository)
    page = path.with_suffix(suffix)
    page.write_text(page.read_text(encoding="utf-8").replace("BITWISE", "DIFFERENT"), encoding="utf-8")
    assert certifying.check(path, repository.root) == [f"{page}: not the page of reproduction.json"]


def test_pages_that_are_elsewhere_are_not_missed(repository: Repository) -> None:
    path = held(repository)
    path.with_suffix(".md").unlink()
    path.with_suffix(".html").unlink()
    assert certifying.check(path, repository.root) == []


@pytest.mark.parametrize(("picture", "said"), [("", ".md and .html"), ("<svg/>", ".md, .html and .svg")])
def test_a_page_without_a_picture_has_no_file_of_it(tmp_path: Path, picture: str, said: str) -> None:
    page = document.Document("Title", (), {"Table": (("head",), [])}, picture=picture, said="what it shows")
    assert document.written(page, tmp_path / "page.json") == f"{tmp_path / 'page'}{said}"
    assert (tmp_path / "page.svg").is_file() == bool(picture)
    assert ("(page.svg)" in (tmp_path / "page.md").read_text()) == bool(picture)

"""The command: the same bytes twice, what it refuses, and what --check finds."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stages import release
from stages.core.errors import InputError
from stages.releasing import facts, signature
from stages.repro.digests import of_folder
from tests.releasing.project import keys
from tests.shell import run

WRITTEN = [
    "README.md", "SHA256SUMS", "bom.cdx.json", "checklists.md", "codecheck.yml", "config.json", "croissant.json",
    "model.safetensors", "provenance.intoto.json", "ro-crate-metadata.json", "run/CITATION.cff", "run/dvc.lock",
    "run/dvc.yaml", "run/metrics/data.json", "run/metrics/environment.json", "run/metrics/evaluate.json",
    "run/metrics/finetune.json", "run/metrics/tokenize.json", "run/params.yaml", "run/requirements.lock", "task.json",
    "tokenizer.json",
]  # fmt: skip


@pytest.fixture(scope="module")
def released(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an unsigned release; not to be changed."""
    target = tmp_path_factory.mktemp("released") / "release"
    release.release(made, target, None)
    return target


@pytest.fixture
def copy(released: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(released, tmp_path / "copy"))


def test_two_signed_releases_of_one_commit_are_equal(made: Path, tmp_path: Path) -> None:
    private, public = keys(tmp_path)
    for name in ("a", "b"):
        release.release(made, tmp_path / name, private)
        assert release.check(tmp_path / name, public) == []
    assert of_folder(tmp_path / "a") == of_folder(tmp_path / "b")


def test_it_holds_the_model_and_the_records_and_no_rows(released: Path, made: Path) -> None:
    assert sorted(of_folder(released)) == WRITTEN
    rows = [b"the gull rows", b"the rose grows", b"a clerk"]
    assert not [path for path in released.rglob("*") if path.is_file() for row in rows if row in path.read_bytes()]
    assert (released / "model.safetensors").read_bytes() == (made / "models/finetuned/model.safetensors").read_bytes()


def damage(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"Weights")


def remove(folder: Path) -> None:
    (folder / "config.json").unlink()


def add(folder: Path) -> None:
    (folder / "run/more.py").write_text("x")


@pytest.mark.parametrize(
    ("change", "line"),
    [(damage, "model.safetensors: damaged"), (remove, "config.json: missing"), (add, "run/more.py: extra")],
)
def test_check_names_the_file(copy: Path, change: Callable[[Path], None], line: str) -> None:
    change(copy)
    assert release.check(copy, None) == [line]


def test_a_file_and_manifest_changed_together_break_the_signature(copy: Path, tmp_path: Path) -> None:
    private, public = keys(tmp_path)
    signature.sign(copy, private)
    before = of_folder(copy)["config.json"]
    (copy / "config.json").write_text("{}")
    manifest = (copy / "SHA256SUMS").read_text().replace(before, of_folder(copy)["config.json"])
    (copy / "SHA256SUMS").write_text(manifest)
    (line,) = release.check(copy, public)
    assert line.startswith("model.sig: does not hold")


def test_another_key_and_no_signature_are_faults(copy: Path, tmp_path: Path) -> None:
    private, public = keys(tmp_path)
    assert release.check(copy, public) == ["model.sig: missing: the folder is not signed"]
    signature.sign(copy, private)
    _, other = keys(tmp_path, "other")
    assert [line.partition(":")[0] for line in release.check(copy, other)] == ["model.sig"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("echo >> params.yaml", "params.yaml: not as HEAD has it"),
        ("rm -r models/finetuned", "models/finetuned: missing: dvc pull"),
        ("echo '# edit' >> stages/finetune.py && git commit -qam edit", "stage finetune is out of date"),
        ("mkdir out && touch out/file && echo /out >> .git/info/exclude", "out: exists and is not empty"),
    ],
)
def test_refused(
    repository: Path, command: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(repository, command)
    before = of_folder(repository / "out") if (repository / "out").exists() else None
    monkeypatch.chdir(repository)
    monkeypatch.setattr(sys, "argv", ["release", "out"])
    with pytest.raises(SystemExit) as ended:
        release.main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert (of_folder(repository / "out") if (repository / "out").exists() else None) == before


def test_a_changed_weight_is_refused(repository: Path) -> None:
    (repository / "models/finetuned/model.safetensors").write_text("other")
    with pytest.raises(InputError, match="stage finetune is out of date"):
        release.release(repository, repository.parent / "out", None)


def test_the_certificate_of_another_commit_is_left_out(repository: Path) -> None:
    shutil.copy(Path(__file__).parents[2] / "metrics/reproduction.json", repository / "metrics/reproduction.json")
    assert facts.read(repository).certificate is None


def test_a_missing_package_is_one_message(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlcroissant", None)
    with pytest.raises(InputError, match=r"mlcroissant is not installed: pip install '.\[release\]'"):
        release.release(made, tmp_path / "out", None)
    assert list(tmp_path.iterdir()) == []


def test_a_key_of_another_kind_is_refused(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no key")
    with pytest.raises(InputError, match="--key: .*bad.pem: wanted an unencrypted PEM private key"):
        signature.sign(copy, tmp_path / "bad.pem")
    with pytest.raises(InputError, match="no such file"):
        signature.sign(copy, tmp_path / "none.pem")


def test_codecheck_names_every_output(released: Path, known: facts.Facts) -> None:
    import yaml

    held = yaml.safe_load((released / "codecheck.yml").read_text())
    outs = {path for stage in known.locked.values() for path in stage.outs}
    assert {entry["file"] for entry in held["manifest"]} == outs
    assert held["version"] == "https://codecheck.org.uk/spec/config/1.0/"


def test_checklists_answer_from_the_run_and_leave_the_rest_open(released: Path) -> None:
    page = (released / "checklists.md").read_text()
    assert "| 6b | Model selection | by loss of the validation rows | params.yaml |" in page
    assert "- [ ] 10: Broader impacts" in page


def test_the_lock_is_the_commits(released: Path, made: Path) -> None:
    assert (released / "run/dvc.lock").read_bytes() == (made / "dvc.lock").read_bytes()
    assert json.loads((released / "run/metrics/evaluate.json").read_text())["accuracy"] == 0.875


def test_dates_are_the_commits_in_utc(released: Path) -> None:
    assert json.loads((released / "croissant.json").read_text())["datePublished"] == "2026-01-02T01:04:05"
    assert json.loads((released / "bom.cdx.json").read_text())["metadata"]["timestamp"] == "2026-01-02T01:04:05+00:00"

"""What changed while a stage ran is named, and its outputs are kept aside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from stages.core.errors import InputError
from stages.core.files import outputs
from stages.repro import digests, inputs
from stages.repro.inputs import Inputs

PARAMS = "seed: 1\ntrain: {lr: 1e-3, betas: [0.9, 0.999], tuning: {name: full}}\nevaluate: {worst: 20}\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {
        "params.yaml": PARAMS, ".dvcignore": "# left behind\n__pycache__\n*.swp\n", "data/a.arrow": "rows",
        "models/base/model.safetensors": "weights", "models/base/config.json": "{}", "stages/first.py": "pass",
    }  # fmt: skip
    for name, text in files.items():
        put(tmp_path, name, text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def taken(root: Path) -> Inputs:
    return Inputs("first", Path(), ("data/a.arrow", "models/base", "stages/first.py"), ("seed", "train", "absent.key"))


def message(root: Path, held: Inputs) -> str:
    with pytest.raises(InputError) as refused:
        held.accept({})
    return str(refused.value).removeprefix("changed while the stage ran: ").split(". ")[0]


@pytest.mark.parametrize(
    ("name", "text", "change"),
    [
        ("params.yaml", PARAMS.replace("1e-3", "2e-3"), "train.lr of params.yaml (from 0.001 to 0.002)"),
        ("params.yaml", PARAMS.replace("seed: 1", "seed: 1.0"), "seed of params.yaml (from 1 to 1.0)"),
        (
            "params.yaml",
            PARAMS.replace("full", "frozen").replace("lr: 1e-3, ", ""),
            "train.lr of params.yaml (from 0.001 to nothing), "
            'train.tuning.name of params.yaml (from "full" to "frozen")',
        ),
        ("params.yaml", PARAMS + "absent: {key: 3}\n", "absent.key of params.yaml (from null to 3)"),
        (
            "params.yaml",
            "train: {",
            "params.yaml, line 1: not valid YAML: expected the node content, but found '<stream end>'",
        ),
        ("data/a.arrow", "swor", "data/a.arrow"),
        ("models/base/config.json", "{ }", "models/base/config.json"),
        ("models/base/vocab.txt", "", "models/base/vocab.txt (added)"),
        ("stages/first.py", "pass  # better", "stages/first.py"),
    ],
)
def test_a_change_is_named(root: Path, name: str, text: str, change: str) -> None:
    held = taken(root)
    put(root, name, text)
    assert message(root, held) == change


def test_what_is_removed_is_named(root: Path) -> None:
    held = taken(root)
    (root / "models/base/config.json").unlink()
    (root / "data/a.arrow").unlink()
    assert message(root, held) == "data/a.arrow (removed), models/base/config.json (removed)"


def test_many_changes_are_cut(root: Path) -> None:
    held = taken(root)
    for number in range(14):
        put(root, f"models/base/{number:02}", "")
    assert message(root, held).endswith("models/base/11 (added) and 2 more")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("params.yaml", PARAMS.replace("20", "30")),
        ("params.yaml", "# a comment\n" + PARAMS.replace("1e-3", "0.001")),
        ("data/b.arrow", "of another stage"),
        ("models/base/__pycache__/first.pyc", ""),
        ("models/base/.config.json.swp", ""),
    ],
    ids=["another key", "the same value", "another file", "an ignored folder", "an ignored file"],
)
def test_what_the_stage_does_not_read_may_change(root: Path, name: str, text: str) -> None:
    held = taken(root)
    put(root, name, text)
    held.check()
    held.accept({})


@pytest.mark.parametrize("name", ["params.yaml", "data/a.arrow", "models/base/config.json", "stages/first.py"])
def test_an_edit_that_is_undone_is_none(root: Path, name: str) -> None:
    held, before = taken(root), (root / name).read_text()
    put(root, name, before + " ")
    put(root, name, before)
    held.accept({})


def test_a_size_and_times_that_are_set_back_hide_no_change(root: Path) -> None:
    held, path = taken(root), root / "data/a.arrow"
    stat = path.stat()
    path.write_text("swor")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert message(root, held) == "data/a.arrow"


def test_what_kept_its_stamps_is_not_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless they are so young that a coarse clock could have missed a change."""
    hashed: list[str] = []
    plain = digests.of_file
    monkeypatch.setattr(digests, "of_file", lambda path: hashed.append(path.name) or plain(path))
    young = taken(root)
    hashed.clear()
    young.accept({})
    assert sorted(hashed) == ["a.arrow", "config.json", "first.py", "model.safetensors"]
    monkeypatch.setattr(inputs, "COARSE", -10.0)
    hashed.clear()
    young.accept({})
    assert hashed == []
    put(root, "data/a.arrow", "rows")
    young.accept({})
    assert hashed == ["a.arrow"]


def test_new_outputs_are_kept_aside_and_old_ones_stay(root: Path) -> None:
    put(root, "models/finetuned/old", "")
    put(root, "metrics/first.json", "old")
    held = taken(root)
    for attempt in ("first", "second"):  # the second takes the place of the first
        with (
            pytest.raises(InputError) as refused,
            outputs(Path("models/finetuned"), Path("metrics/first.json"), accept=held.accept) as (folder, file),
        ):
            put(folder, "new", attempt)
            file.write_text(attempt)
            put(root, "data/a.arrow", f"other rows {attempt}")
    assert str(refused.value) == (
        "changed while the stage ran: data/a.arrow. dvc.lock would say that the outputs were made with that, so none "
        "was put in place; they are in .reprise/refused/first. Run again, with the change or without it"
    )
    kept = {p.relative_to(root).as_posix(): p.read_text() for p in root.rglob("*") if p.is_file()}
    assert {name: text for name, text in kept.items() if not name.startswith(("data", "models/base", "stages"))} == {
        "params.yaml": PARAMS,
        ".dvcignore": "# left behind\n__pycache__\n*.swp\n",
        "models/finetuned/old": "",
        "metrics/first.json": "old",
        ".reprise/refused/first/models/finetuned/new": "second",
        ".reprise/refused/first/metrics/first.json": "second",
    }


def test_before_anything_was_computed_it_says_so(root: Path) -> None:
    held = taken(root)
    put(root, "data/a.arrow", "other")
    with pytest.raises(InputError) as refused:
        held.check()
    assert str(refused.value) == (
        "changed while the stage was starting: data/a.arrow. Nothing was computed: run it again"
    )


@pytest.mark.parametrize(("age", "refused"), [(-60.0, False), (60.0, True)], ids=["edited before", "edited since"])
def test_code_edited_after_the_process_began_may_not_be_what_was_imported(
    root: Path, monkeypatch: pytest.MonkeyPatch, age: float, refused: bool
) -> None:
    module = ModuleType("first")
    module.__file__ = str(root / "stages/first.py")
    monkeypatch.setitem(sys.modules, "first", module)
    edited = (root / "stages/first.py").stat().st_ctime
    monkeypatch.setattr(inputs, "_process_began", lambda: edited - age)
    if not refused:
        return taken(root).check()
    with pytest.raises(InputError, match=r"^changed while the stage was starting: stages/first\.py\. Nothing was"):
        taken(root)


def test_when_this_process_began() -> None:
    program = "import time; t = time.time(); from stages.repro.inputs import _process_began as b; print(t, b())"
    before = time.time()
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    imported, began = map(float, said.split())
    assert before - 0.05 < began < imported + 0.05


def test_without_params_and_deps_nothing_is_checked(tmp_path: Path) -> None:
    held = Inputs("first", tmp_path)
    put(tmp_path, "params.yaml", "seed: [")
    held.accept({})

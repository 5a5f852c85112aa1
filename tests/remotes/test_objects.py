"""`python -m stages.objects`: a flipped bit in the cache or a remote is named, and mended from the other."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages import objects
from stages.core.errors import InputError
from tests.remotes.conftest import Clone, Remote, flip, serve

BIG = "data/clean/big.txt"
COUNT = 5  # two folders' lists, three files


def said(clone: Clone, remote: str | None = None, mend: bool = False) -> tuple[bool, list[str]]:
    """Check in this process; return whether all is whole, and what is said."""
    lines: list[str] = []
    with clone.here():
        return objects.check(remote, mend, say=lines.append), lines


@pytest.fixture
def pushed(first: Clone, tmp_path: Path) -> Iterator[Remote]:
    """Return a folder as a remote, to which the first clone has pushed."""
    for remote in serve("local", tmp_path):
        first.use(remote)
        assert first.dvc("push", "-q") == 0
        yield remote


def in_remote(clone: Clone, remote: Remote, output: str) -> Path:
    """Return the file of a remote that holds an output's file."""
    return remote.folder / clone.object(output).relative_to(clone.root / ".dvc/cache")


def test_all_is_whole(first: Clone, pushed: Remote) -> None:
    assert said(first, "there") == (
        True,
        [f"cache: {COUNT} objects, {COUNT} whole", f"remote there: {COUNT} objects, {COUNT} whole"],
    )


def test_a_flipped_bit_in_the_cache_is_named_and_mended(first: Clone, pushed: Remote) -> None:
    path = first.object(BIG)
    before = flip(path)
    fault = f"cache: {BIG} is damaged, object {path.parent.name}{path.name}"
    assert said(first) == (False, [fault, "cache: 5 objects, 4 whole"])
    mended = f"{fault}: mended from remote there"
    assert said(first, mend=True) == (True, [mended, "cache: 5 objects, 5 whole, 1 of them mended"])
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("link", ["hardlink", "symlink", "copy"])
def test_the_working_folder_gets_what_is_whole(second: Clone, first: Clone, pushed: Remote, link: str) -> None:
    second.use(pushed)
    with (second.root / ".dvc/config.local").open("a") as file:
        file.write(f"[cache]\n    type = {link}\n")
    assert second.dvc("pull", "-q") == 0
    before = flip(second.object(BIG))
    shares = (second.root / BIG).read_bytes() != before
    assert shares is (link != "copy")
    assert said(second, mend=True)[0]
    assert (second.root / BIG).read_bytes() == before
    assert second.files() == first.files()


def test_an_edit_of_the_user_stays(first: Clone, pushed: Remote) -> None:
    (first.root / BIG).unlink()
    (first.root / BIG).write_text("mine")
    flip(next(p for p in (first.root / ".dvc/cache").rglob("*") if p.is_file() and p.stat().st_size > 100_000))
    assert said(first, mend=True)[0]
    assert (first.root / BIG).read_text() == "mine"


def test_a_flipped_bit_in_the_remote_is_named_and_mended(first: Clone, pushed: Remote) -> None:
    path = in_remote(first, pushed, BIG)
    before = flip(path)
    whole, lines = said(first, "there")
    assert not whole
    assert lines[1] == f"remote there: {BIG} is damaged, object {path.parent.name}{path.name}"
    whole, lines = said(first, "there", mend=True)
    assert whole
    assert lines[1].endswith(": mended from cache")
    assert path.read_bytes() == before


def test_what_a_push_left_torn_is_mended(first: Clone, pushed: Remote, capfd: pytest.CaptureFixture[str]) -> None:
    """DVC takes whatever has an object's name for the object: it does not push it again."""
    path = in_remote(first, pushed, BIG)
    before = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(before[:1000])
    capfd.readouterr()
    assert first.dvc("push") == 0
    assert "Everything is up to date" in capfd.readouterr().out
    assert said(first, "there", mend=True)[0]
    assert path.read_bytes() == before


def test_a_damaged_list_of_files_is_named_and_mended(first: Clone, pushed: Remote) -> None:
    (path,) = (p for p in (first.root / ".dvc/cache").rglob("*.dir") if b"big.txt" in p.read_bytes())
    flip(path)
    whole, lines = said(first)
    assert not whole
    assert lines[0].startswith("cache: data/clean (the list of its files) is damaged, object ")
    assert said(first, mend=True)[0]
    assert said(first) == (True, ["cache: 5 objects, 5 whole"])


def test_what_is_missing_is_fetched(second: Clone, pushed: Remote) -> None:
    second.use(pushed)
    whole, lines = said(second)
    assert not whole
    assert [line.split(",")[0] for line in lines[:2]] == [
        "cache: data/clean (the list of its files) is missing",
        "cache: models/final (the list of its files) is missing",
    ]
    assert said(second, mend=True)[1][-1] == "cache: 5 objects, 5 whole, 5 of them mended"


def test_what_is_nowhere_whole_is_told(first: Clone, pushed: Remote) -> None:
    flip(in_remote(first, pushed, BIG))
    flip(first.object(BIG))
    whole, lines = said(first, "there", mend=True)
    assert not whole
    assert lines[0].endswith(": not whole in remote there either")
    assert lines[2].endswith(": not whole in cache either")


@pytest.mark.parametrize("kind", ["ssh", "webdav"])
def test_a_server_s_object_is_mended_too(first: Clone, tmp_path: Path, kind: str) -> None:
    for remote in serve(kind, tmp_path):
        first.use(remote)
        first.run("dvc", "push")
        path = in_remote(first, remote, BIG)
        before = flip(path)
        lines = first.run("stages.objects", "--remote", "there", "--mend").splitlines()
        assert lines[1] == f"remote there: {BIG} is damaged, object {path.parent.name}{path.name}: mended from cache"
        assert path.read_bytes() == before


def test_a_wrong_password_is_told(first: Clone, tmp_path: Path) -> None:
    """A password that is refused is asked for again, and nobody is there."""
    for remote in serve("ssh", tmp_path):
        remote.options["password"] = "guessed"
        first.use(remote)
        said = first.run("stages.objects", "--remote", "there", code=2)
        assert "objects: error: remote there: refused the user or password" in said
        assert "Traceback" not in said


def test_a_server_that_is_not_there_is_told(first: Clone) -> None:
    first.use(Remote("ssh://127.0.0.1:9/store", Path(), {"password": "x"}))
    said = first.run("stages.objects", "--remote", "there", code=2)
    assert said.startswith("objects: error: remote there: cannot be reached: ")
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("their", "--remote: unknown remote 'their' (nearest: 'there')"),
        (None, "remote: config file error: no remote specified in "),
    ],
)
def test_no_such_remote(first: Clone, pushed: Remote, name: str | None, message: str) -> None:
    if name is None:
        (first.root / ".dvc/config.local").unlink()
    with pytest.raises(InputError) as refused:
        said(first, name, mend=True)
    assert str(refused.value).startswith(message)


def test_nothing_has_run(first: Clone) -> None:
    (first.root / "dvc.lock").unlink()
    with pytest.raises(InputError) as refused:
        said(first)
    assert str(refused.value).startswith("dvc.lock: names no object: run dvc repro")


def test_a_lock_with_a_conflict(first: Clone) -> None:
    text = (first.root / "dvc.lock").read_text()
    (first.root / "dvc.lock").write_text(f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> other\n")
    with pytest.raises(InputError, match=r"^DVC: .*dvc\.lock"):
        said(first)


def test_no_project(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="^DVC: you are not inside of a DVC repository"):
        said(Clone(tmp_path))


def test_run_as_a_file() -> None:
    path = Path(objects.__file__)
    ended = subprocess.run(["python", path], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "run me as: python -m stages.objects\n")

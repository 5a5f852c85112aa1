"""Outputs appear whole or not at all, with bytes that depend on their content alone."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core import files
from stages.core.cli import errors_told
from stages.core.errors import InputError
from stages.core.tables import Rows, read_batches
from tests.core.targets import NEW, OLD, tree, write
from tests.tiny import ROOT


def test_new_outputs(tmp_path: Path) -> None:
    write(tmp_path, "new")
    assert tree(tmp_path) == NEW


def test_outputs_are_replaced_whole(tmp_path: Path) -> None:
    write(tmp_path, "old")
    write(tmp_path, "new")
    assert tree(tmp_path) == NEW


def test_a_file_gives_way_to_a_folder_and_back(tmp_path: Path) -> None:
    target = tmp_path / "target"
    for _ in range(2):
        with files.outputs(target) as (staged,):
            staged.write_text("file")
        assert tree(tmp_path) == {"target": "file"}
        with files.outputs(target) as (staged,):
            staged.mkdir()
            (staged / "inner").write_text("folder")
        assert tree(tmp_path) == {"target/inner": "folder"}


@pytest.mark.parametrize("error", [InputError("bad"), KeyboardInterrupt(), ZeroDivisionError()])
def test_a_failing_body_changes_nothing(tmp_path: Path, error: BaseException) -> None:
    write(tmp_path, "old")
    with pytest.raises(type(error)), files.outputs(tmp_path / "file", tmp_path / "many") as (file, many):
        file.write_text("half")
        many.mkdir()
        raise error
    assert tree(tmp_path) == OLD


def test_a_body_that_writes_nothing_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "old")
    with pytest.raises(InputError, match="cannot be written: No such file"), files.outputs(tmp_path / "file"):
        pass
    assert tree(tmp_path) == OLD


def fail_at(
    monkeypatch: pytest.MonkeyPatch, name: str, call: int, code: int = errno.ENOSPC, onwards: bool = False
) -> Callable[[], bool]:
    """Make the `call`-th call of os.`name`, or all from it `onwards`, fail; return whether it came to that."""
    real, calls = getattr(os, name), 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call or (onwards and calls > call):
            raise OSError(code, os.strerror(code))
        return real(*args, **kwargs)

    monkeypatch.setattr(os, name, counted)
    return lambda: calls >= call


def layered(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make the folders that are now below `folder` those of a lower layer of overlayfs, which cannot be renamed."""
    real = os.replace
    lower = {(p.stat().st_dev, p.stat().st_ino) for p in folder.rglob("*") if p.is_dir()}

    def replace(source: Path, target: Path) -> None:
        state = source.stat()
        if source.is_dir() and (state.st_dev, state.st_ino) in lower:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source))
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)


def shown(folder: Path) -> dict[str, str]:
    """Return the tree without what a failed clearing of hidden files leaves."""
    return {path: text for path, text in tree(folder).items() if "/." not in f"/{path}"}


@pytest.mark.parametrize("layers", [False, True])
@pytest.mark.parametrize("name", ["fsync", "replace", "mkdir", "rmdir", "unlink", "chmod", "open", "utime"])
def test_each_failing_call_leaves_all_outputs_old_or_all_new(tmp_path: Path, name: str, layers: bool) -> None:
    failures = 0
    for call in range(1, 100):
        folder = tmp_path / str(call)
        folder.mkdir()
        write(folder, "old")
        with pytest.MonkeyPatch.context() as patch:
            if layers:
                layered(patch, folder)
            failed = fail_at(patch, name, call)
            try:
                write(folder, "new")
            except (InputError, OSError) as error:
                assert "No space left on device" in str(error)
                assert (shown if name in ("unlink", "rmdir") else tree)(folder) == OLD, (call, str(error))
                failures += 1
            else:
                assert shown(folder) == NEW, call
            if not failed():
                break
    else:
        pytest.fail(f"os.{name} is called more than 99 times")
    assert failures or name in ("chmod", "rmdir", "unlink")


def test_folders_of_a_lower_layer_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "old")
    layered(monkeypatch, tmp_path)
    write(tmp_path, "new")
    assert tree(tmp_path) == NEW


def test_real_layers(tmp_path: Path) -> None:
    """On a real overlay mount, where the kernel allows it: a folder of the lower layer gives way, and comes back."""
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    write(tmp_path / "lower", "old")
    mount = "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work,userxattr merged"
    ran = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", f'{mount} || exit 99; exec "$0" -m "$1" merged',
         sys.executable, "tests.core.targets"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode == 99 or ran.stderr.startswith("unshare: "):
        return  # then the injected form above is the test
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "merged/file: cannot be written: full\nTrue\nTrue\n"


def test_what_cannot_be_put_back_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "old")
    fail_at(monkeypatch, "replace", 3, errno.EIO, onwards=True)
    with pytest.raises(InputError) as caught:
        write(tmp_path, "new")
    assert str(caught.value).splitlines()[1] == (
        f"{tmp_path / 'many'}: cannot be written ([Errno 5] Input/output error), nor put back: Input/output error; "
        f"what it held is in {tmp_path / '.many.replaced'}"
    )
    assert tree(tmp_path / ".many.replaced") == {"deep/a": "old", "only-old": "old"}


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_modes_are_what_the_umask_leaves(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with files.outputs(tmp_path / "many", tmp_path / "file") as (many, file):
            many.mkdir(mode=0o700)
            os.close(os.open(many / "private", os.O_CREAT, 0o600))
            (many / "program").write_text("")
            (many / "program").chmod(0o755)
            (many / "link").symlink_to("private")
            file.write_text("")
            file.chmod(0o600)
    finally:
        os.umask(before)
    found = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "many", *tmp_path.rglob("*"))}
    usual = 0o666 & ~mask
    assert found == {
        "many": 0o777 & ~mask, "private": usual, "program": usual, "link": usual, "file": usual,
    }  # fmt: skip


def test_a_folder_that_cannot_be_synced_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write(tmp_path, "new")
    assert tree(tmp_path) == NEW


def test_a_file_that_cannot_be_synced_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "old")
    fail_at(monkeypatch, "fsync", 1, errno.EINVAL)
    with pytest.raises(InputError, match="cannot be written: Invalid argument"):
        write(tmp_path, "new")
    assert tree(tmp_path) == OLD


def test_all_is_synced_before_the_first_is_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "old")
    fail_at(monkeypatch, "fsync", 6)
    with pytest.raises(InputError):
        write(tmp_path, "new")
    assert tree(tmp_path) == OLD


def test_a_full_disk_while_writing_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "old")
    full = Path("/dev/full")
    with pytest.raises(InputError) as caught, files.outputs(tmp_path / "file") as (staged,):
        staged.write_text("half")
        with full.open("w") as file:
            file.write("x")
    assert str(caught.value) == f"{tmp_path / 'file'}: cannot be written: No space left on device"
    assert tree(tmp_path) == OLD


def test_a_place_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "metrics").write_text("in the way")
    with pytest.raises(InputError) as caught, files.outputs(tmp_path / "metrics" / "data.json"):
        pass
    assert str(caught.value).startswith(f"{tmp_path / 'metrics'}")
    assert tree(tmp_path) == {"metrics": "in the way"}


def test_what_a_killed_run_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".many.partial").mkdir()
    (tmp_path / ".many.partial" / "half").write_text("half")
    (tmp_path / ".many.replaced").write_text("half")
    write(tmp_path, "old")
    write(tmp_path, "new")
    assert tree(tmp_path) == NEW


def test_canonical_json() -> None:
    assert files.canonical_json({"b": [1, 0.1], "a": "é"}) == '{\n  "a": "é",\n  "b": [\n    1,\n    0.1\n  ]\n}\n'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_refuses_what_is_no_number(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.canonical_json({"loss": value})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values)
def test_json_reads_back_and_does_not_depend_on_order(value: Any) -> None:
    text = files.canonical_json(value)
    assert json.loads(text) == value
    backwards = dict(reversed(value.items())) if isinstance(value, dict) else value
    assert files.canonical_json(backwards) == text


def test_json_files(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    files.write_json(path, {"b": "ü", "a": 1})
    assert path.read_bytes() == '{\n  "a": 1,\n  "b": "ü"\n}\n'.encode()
    assert files.read_json(path) == {"a": 1, "b": "ü"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"{", "not valid JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"\xff", "not valid JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_broken_json_file(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        files.read_json(path)
    assert str(caught.value) == f"{path}: {message}"


def test_tsv(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.tsv"
    files.write_tsv(path, ["step", "loss", "text"], [(1, 0.1, "a\tb"), (2, 1e-7, 'say "x"\n'), (3, 2.0, None)])
    assert path.read_bytes() == b'step\tloss\ttext\n1\t0.1\t"a\tb"\n2\t1e-07\t"say ""x""\n"\n3\t2.0\t\n'


@given(st.floats(allow_nan=False))
def test_tsv_floats_read_back_to_the_bit(value: float) -> None:
    assert math.copysign(1, float(files.tsv_line([value]))) == math.copysign(1, value)
    assert float(files.tsv_line([value])) == value


@pytest.fixture
def foreign() -> Iterator[Path]:
    """Yield a folder with a file that is not ours to read; root, who may read everything, is another user meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "closed").write_text("{}")
        (folder / "closed").chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)


@pytest.mark.parametrize(
    "read", [files.read_json, lambda path: files.check_readable(path.parent), Rows, lambda path: [*read_batches(path)]]
)
def test_what_may_not_be_read_is_not_called_missing(foreign: Path, read: Callable[[Path], Any]) -> None:
    with pytest.raises(InputError) as caught:
        read(foreign / "closed")
    assert str(caught.value) == f"{foreign / 'closed'}: cannot be read: Permission denied"


def test_a_command_says_what_may_not_be_read(foreign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), errors_told("command"):
        (foreign / "closed").read_bytes()
    assert capsys.readouterr().err == f"command: error: {foreign / 'closed'}: Permission denied\n"


@pytest.mark.parametrize(("place", "reason"), [("file", "File exists"), ("file/deep", "Not a directory")])
def test_a_command_says_what_is_in_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, reason: str
) -> None:
    """As when REPRISE_SCRATCH is a file."""
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as left, errors_told("command"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
    assert left.value.code == 2
    assert capsys.readouterr().err == f"command: error: {tmp_path / place}: {reason}\n"

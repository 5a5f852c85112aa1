"""Outputs appear whole or not at all, with bytes that depend on their content alone."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core import files
from stages.core.errors import InputError


def tree(folder: Path) -> dict[str, str]:
    """Return {relative path: text} of all files below `folder`."""
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def write(folder: Path, text: str) -> None:
    """Write, through `outputs`, the three kinds of target: a file, a folder, and what is not there yet."""
    with files.outputs(folder / "file", folder / "many", folder / "fresh" / "new") as (file, many, new):
        file.write_text(text)
        (many / "deep").mkdir(parents=True)
        (many / "deep" / "a").write_text(text)
        (many / f"only-{text}").write_text(text)
        new.write_text(text)


OLD = {"file": "old", "many/deep/a": "old", "many/only-old": "old", "fresh/new": "old"}
NEW = {"file": "new", "many/deep/a": "new", "many/only-new": "new", "fresh/new": "new"}


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


def fail_at(monkeypatch: pytest.MonkeyPatch, name: str, call: int) -> Callable[[], bool]:
    """Make the `call`-th call of os.`name` find the disk full; return whether it came to that."""
    real, calls = getattr(os, name), 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args, **kwargs)

    monkeypatch.setattr(os, name, counted)
    return lambda: calls >= call


@pytest.mark.parametrize(("name", "calls"), [("fsync", 9), ("replace", 4)])
def test_each_failing_call_leaves_each_output_old_or_new(tmp_path: Path, name: str, calls: int) -> None:
    for call in range(1, calls + 1):
        folder = tmp_path / str(call)
        folder.mkdir()
        write(folder, "old")
        with pytest.MonkeyPatch.context() as patch:
            failed = fail_at(patch, name, call)
            with pytest.raises(InputError, match="cannot be written: No space left on device"):
                write(folder, "new")
            assert failed()
        found = tree(folder)
        for target in ("file", "many", "fresh"):
            mine = {path: text for path, text in found.items() if path.split("/")[0] == target}
            states = [{p: t for p, t in state.items() if p.split("/")[0] == target} for state in (OLD, NEW)]
            assert mine in states, (call, target)
        assert len(found) == len(OLD), f"call {call} left {sorted(found)}"
    with pytest.MonkeyPatch.context() as patch:
        failed = fail_at(patch, name, calls + 1)
        write(tmp_path / "1", "new")
        assert not failed(), f"os.{name} is called more than {calls} times: let the test fail each"


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

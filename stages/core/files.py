"""Files that appear whole or not at all, with bytes that depend on their content alone."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stages.core.errors import InputError


@contextlib.contextmanager
def outputs(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Yield one staging path for each target; on success move each in place, on any failure leave no trace.

    The body makes each staging path a file or a folder. All are written and synced before the first is moved, so a
    full disk leaves the old outputs as they were. Raises InputError when a place cannot be written.
    """
    staged = tuple(t.with_name(f".{t.name}.partial") for t in targets)
    try:
        for path in staged:
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove(path)
        yield staged
        for path in staged:
            sync(path)
        for path, target in zip(staged, targets, strict=True):
            _swap(path, target)
            sync(target.parent, deep=False)
    except OSError as error:
        raise InputError(f"{error.filename or targets[0]}: cannot be written: {error.strerror}") from error
    finally:
        for path in (*staged, *map(_aside, targets)):
            with contextlib.suppress(OSError):
                _remove(path)


def _swap(path: Path, target: Path) -> None:
    """Put `path` in the place of `target`. A folder cannot be replaced: it steps aside, and back if that fails."""
    if not target.is_dir() and not (path.is_dir() and target.exists()):
        os.replace(path, target)
        return
    _remove(_aside(target))
    os.replace(target, _aside(target))
    try:
        os.replace(path, target)
    except BaseException:
        os.replace(_aside(target), target)
        raise


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.replaced")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path, deep: bool = True) -> None:
    """Flush a file, or a folder and (if `deep`) all in it, to the disk."""
    if deep and path.is_dir():
        for child in sorted(path.iterdir()):
            sync(child)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and two-space indents; raises ValueError for NaN and infinities."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write `value` as canonical JSON, UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(canonical_json(value), encoding="utf-8", newline="\n")


def read_json(path: Path) -> Any:
    """Return what the JSON file holds. Raises InputError naming the file when it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None


def tsv_line(cells: Iterable[Any]) -> str:
    """Return one tab-separated line; floats are written so that reading them gives the same bits."""
    buffer = io.StringIO()
    csv.writer(buffer, delimiter="\t", lineterminator="\n").writerow(
        [repr(c) if isinstance(c, float) else c for c in cells]
    )
    return buffer.getvalue()


def write_tsv(path: Path, header: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table with one header line, tab-separated, UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(tsv_line(header))
        file.writelines(tsv_line(row) for row in rows)

"""Files that appear whole or not at all, with bytes that depend on their content alone."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.core.errors import InputError

SCRATCH = Path(os.environ.get("REPRISE_SCRATCH", ".reprise"))
Accept = Callable[[Mapping[Path, Path]], None]  # staged path -> its target


@contextlib.contextmanager
def outputs(*targets: Path, accept: Accept | None = None) -> Iterator[tuple[Path, ...]]:
    """Yield one staging path for each target; on success move each in place, on any failure leave no trace.

    The body makes each staging path a file or a folder. All are written and synced, then `accept` is asked: it raises
    to refuse them, and may move them elsewhere first. Then all are moved, and when one cannot be moved the others go
    back: so a full disk leaves the old outputs as they were. Files get the mode 0666 and folders 0777, less the umask,
    whatever wrote them. Raises InputError when a place cannot be written.
    """
    staged = tuple(t.with_name(f".{t.name}.partial") for t in targets)
    try:
        for path in (*staged, *map(_aside, targets)):
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove(path)
        yield staged
        for path in staged:
            _set_modes(path)
            sync(path)
        if accept is not None:
            accept(dict(zip(staged, targets, strict=True)))
        _swap(staged, targets)
    except OSError as error:
        raise InputError(f"{error.filename or targets[0]}: cannot be written: {error.strerror}") from error
    finally:
        for path in staged:
            with contextlib.suppress(OSError):
                _remove(path)


def _set_modes(path: Path) -> None:
    """Set the usual mode of a file, or of a folder and all in it, where the file system knows modes."""
    umask = os.umask(0o077)
    os.umask(umask)
    for one in (path, *path.rglob("*")):
        if not one.is_symlink():
            usual, found = (0o777 if one.is_dir() else 0o666) & ~umask, stat.S_IMODE(one.stat().st_mode)
            if found & 0o777 != usual:
                with contextlib.suppress(OSError):
                    one.chmod(found & ~0o777 | usual)


def _swap(staged: Sequence[Path], targets: Sequence[Path]) -> None:
    """Put each of `staged` in the place of its target. When one fails, what was there before comes back everywhere."""
    had: dict[Path, bool] = {}
    try:
        for path, target in zip(staged, targets, strict=True):
            had[target] = os.path.lexists(target)
            if had[target]:
                _keep(target)
            if _is_folder(target) or path.is_dir():  # a folder takes no other's place, as a file does
                _remove(target)
            os.replace(path, target)
        for folder in {target.parent for target in targets}:
            sync(folder, deep=False)
    except BaseException as error:
        _restore(had, error)
        raise
    for target in targets:
        with contextlib.suppress(OSError):
            _remove(_aside(target))


def _keep(target: Path) -> None:
    """Keep what is at `target` under another name: a folder moves there, a file is copied.

    No hard link: of a file in a lower layer of overlayfs its two names fall apart.
    """
    aside = _aside(target)
    try:
        if _is_folder(target):
            os.replace(target, aside)
            return
    except OSError as error:
        if error.errno != errno.EXDEV:  # a folder of a lower layer cannot be renamed
            raise
    try:
        _copy(target, aside)
    except BaseException:
        _remove(aside)
        raise


def _restore(had: Mapping[Path, bool], reason: BaseException) -> None:
    """Bring back what each target had. Raises InputError that says where it lies when that fails."""
    lost = []
    for target in had:
        kept = os.path.lexists(_aside(target))
        try:
            if not had[target] or (kept and _is_folder(target)):
                _remove(target)
            if kept:
                os.replace(_aside(target), target)
        except OSError as error:
            place = f"; what it held is in {_aside(target)}" if kept else ""
            lost.append(f"{target}: cannot be written ({reason}), nor put back: {error.strerror}{place}")
    if lost:
        raise InputError("\n".join(lost)) from reason


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.replaced")


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _copy(source: Path, target: Path) -> None:
    if _is_folder(source):
        try:
            shutil.copytree(source, target, symlinks=True)
        except shutil.Error as error:  # its first argument lists (source, target, reason) of every failure
            raise OSError(error.errno, error.args[0][0][2], str(target)) from error
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def _remove(path: Path) -> None:
    if _is_folder(path):
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
    except OSError as error:
        if error.errno != errno.EINVAL or not path.is_dir():  # some network disks do not sync folders
            raise
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
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None


def check_readable(folder: Path) -> None:
    """Raise InputError that names a file of the folder that cannot be opened: libraries say that it is not there."""
    try:
        for path in sorted(folder.iterdir()):
            if path.is_file():
                path.open("rb").close()
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from None


def read_object(path: Path) -> dict[str, Any]:
    """Return the object that the JSON file holds. Raises InputError naming the file when it holds none."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError(f"{path}: found a {type(value).__name__}, wanted a JSON object")
    return value


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

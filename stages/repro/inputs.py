"""What a stage reads, held fast from its start to its end.

DVC notes the digests of deps and params when a stage has ended. What was edited in between it would note beside
outputs that were made without the edit, and serve them from its run cache whenever the edited values are asked for.
So a stage takes `Inputs` before it reads its params, and has them checked right before its outputs are swapped in.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from stages.core import yaml12
from stages.core.errors import InputError
from stages.core.files import SCRATCH
from stages.core.params import PARAMS
from stages.repro import digests

IGNORE = Path(".dvcignore")
COARSE = 2.0  # seconds: the coarsest clock of a disk's time stamps
SHOWN = 12  # changes named in a message
_Stamp = tuple[int, ...]


class Inputs:
    """The files below `deps` and the values of the dotted keys `params` of params.yaml, as they are now."""

    def __init__(self, stage: str, project: Path, deps: Iterable[str] = (), params: Iterable[str] = ()) -> None:
        """Digest them. Raises InputError when params.yaml is broken, or code changed after this process had begun.

        Args:
            stage: Name of the stage, for messages and the folder of refused outputs.
            project: The folder to which all paths are relative.
            deps: Files and folders; what .dvcignore names in one word is left out.
            params: Dotted keys; one that is not there has no value.

        """
        self.stage = stage
        self._project, self._deps, self._keys = project, tuple(deps), tuple(params)
        self._taken = time.time()
        self._values = self._params()
        self._stamps = dict(self._files())
        self._digests = {path: digests.of_file(project / path) for path in self._stamps}
        late = sorted(self._imported_before_they_changed())
        if late:
            raise InputError(_early(late))

    def changes(self) -> Iterator[str]:
        """Yield each change. A file whose stamps are as they were is not read again, unless they are too young to tell.

        The kernel stamps every change (ctime), and no program can set that back.
        """
        try:
            values = self._params()
        except InputError as error:
            yield str(error)
            values = self._values
        for key in sorted(self._values.keys() | values.keys()):
            old, new = self._values.get(key, "nothing"), values.get(key, "nothing")
            if old != new:
                yield f"{key} of {PARAMS} (from {_short(old)} to {_short(new)})"
        files = dict(self._files())
        for path in sorted(self._stamps.keys() | files.keys()):
            if path not in files or path not in self._stamps:
                yield f"{path} ({'added' if path in files else 'removed'})"
            elif files[path] == self._stamps[path] and files[path][-1] / 1e9 < self._taken - COARSE:
                continue
            elif digests.of_file(self._project / path) != self._digests[path]:
                yield path

    def check(self) -> None:
        """Raise InputError that names what is not as it was: for a stage that has not begun to compute."""
        if changes := list(self.changes()):
            raise InputError(_early(changes))

    def accept(self, staged: Mapping[Path, Path]) -> None:
        """Return if all is as it was; else move the new outputs to the scratch folder, and raise InputError.

        See `files.outputs` for `staged`.
        """
        changes = list(self.changes())
        if not changes:
            return
        aside = SCRATCH / "refused" / self.stage
        shutil.rmtree(aside, ignore_errors=True)
        for path, target in staged.items():
            place = aside / (target.name if target.is_absolute() else target)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, place)
        raise InputError(
            f"changed while the stage ran: {_few(changes)}. dvc.lock would say that the outputs were made with that, "
            f"so none was put in place; they are in {aside}. Run again, with the change or without it"
        )

    def _params(self) -> dict[str, str]:
        """Return the value of each leaf at or below the keys, as JSON: 1 is not 1.0."""
        if not self._keys or not (self._project / PARAMS).is_file():
            return {}
        tree = yaml12.read(self._project / PARAMS)[0]
        values = {key: _at(tree, key.split(".")) for key in self._keys}
        return {key: json.dumps(value, sort_keys=True, ensure_ascii=False) for key, value in yaml12.leaves(values)}

    def _files(self) -> Iterator[tuple[str, _Stamp]]:
        """Yield (path, what tells of a change) of every file at or below the deps."""
        ignored = _ignored(self._project / IGNORE)
        for dep in self._deps:
            below = self._project / dep
            for path in below.rglob("*") if below.is_dir() else [below]:
                name = path.relative_to(self._project).as_posix()
                if path.is_file() and not any(fnmatch(part, word) for part in Path(name).parts for word in ignored):
                    stat = path.stat()
                    yield name, (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)

    def _imported_before_they_changed(self) -> Iterator[str]:
        """Yield the files that this process may have imported before they got the content that was digested."""
        began = _process_began()
        own = {os.path.realpath(file) for m in list(sys.modules.values()) if (file := getattr(m, "__file__", None))}
        for path, stamp in self._stamps.items():
            if stamp[-1] / 1e9 > began and path.endswith(".py") and os.path.realpath(self._project / path) in own:
                yield path


def _at(tree: Any, parts: Iterable[str]) -> Any:
    for part in parts:
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _ignored(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _process_began() -> float:
    """Return when this process began, seconds since 1970, rounded up.

    Elsewhere than on Linux the time it has spent computing stands in for its age, which is at least that.
    """
    if sys.platform != "linux":
        return time.time() - time.process_time()
    ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - (ticks + 1) / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def _early(changes: list[str]) -> str:
    return f"changed while the stage was starting: {_few(changes)}. Nothing was computed: run it again"


def _short(value: str) -> str:
    return value if len(value) <= 40 else f"{value[:39]}…"


def _few(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")

"""What an earlier run wrote: an output of a commit of this or another repository, as its dvc.lock states it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from stages.core.errors import InputError
from stages.project import lock
from stages.sources.local import RelativeName

HERE = "."


def _whole(commit: str) -> str:
    if not re.fullmatch("[0-9a-f]{40}", commit):
        raise ValueError(f"found {commit!r}, wanted the 40 hex digits of a commit: git rev-parse NAME")
    return commit


@dataclass(frozen=True)
class Earlier:
    """An output of an earlier run, from the cache of its repository or from its remote."""

    commit: Annotated[str, AfterValidator(_whole), Field(description="the commit, 40 hex digits")]
    path: Annotated[RelativeName, Field(description="the output: a file or folder that its dvc.lock names")] = (
        "models/finetuned"
    )
    repository: Annotated[str, Field(min_length=1, description="a folder, or an address that Git clones")] = HERE

    def fetch(self, into: Path) -> None:
        """Fill `into` with the output: the content of a folder, or the file.

        Raises InputError for a commit, a lock or an output that is not there, for one that neither the cache nor a
        remote holds, and for bytes that are not those of the lock.
        """
        import dvc.api
        from dvc.exceptions import DvcException
        from dvc.scm import SCMError
        from dvc_data.index import DataIndexDirError

        where = f"{self.path} of commit {self.commit[:12]}"
        where += "" if self.repository == HERE else f" of {self.repository}"
        try:
            stated = self._stated(dvc.api.read(lock.LOCK, repo=self.repository, rev=self.commit), where)
            _copy(dvc.api.DVCFileSystem(self.repository, rev=self.commit), self.path, into)
        except (FileNotFoundError, DataIndexDirError):
            raise InputError(
                f"{where}: neither the cache nor a remote of its repository holds it: run dvc pull there, or reproduce "
                "that commit"
            ) from None
        except (DvcException, SCMError) as error:
            raise InputError(f"{where}: cannot be read: {_told(error)}") from None
        found = _digest(into, single=not stated.endswith(".dir"))
        if found != stated:
            raise InputError(f"{where}: its dvc.lock states the MD5 {stated}, the bytes that came have {found}")

    def _stated(self, content: str, where: str) -> str:
        outs = lock.outputs(lock.parse(content, f"{lock.LOCK} of commit {self.commit[:12]}", wanted=()))
        if self.path not in outs:
            raise InputError(f"{where}: its dvc.lock names no such output; wanted one of {', '.join(sorted(outs))}")
        return outs[self.path]


def _copy(files: Any, path: str, into: Path) -> None:
    if files.isdir(path):
        for name in files.find(path):
            target = into / Path(name).relative_to(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            files.get_file(name, str(target))
    else:
        files.get_file(path, str(into / Path(path).name))


def _digest(folder: Path, single: bool) -> str:
    """Return the MD5 of what was fetched as DVC forms it: of a file, or of the listing of a folder."""
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    sums = {name: _md5(folder / name) for name in names}
    if single:
        return sums[names[0]]
    listing = json.dumps([{"md5": sums[name], "relpath": name} for name in names])
    return hashlib.md5(listing.encode(), usedforsecurity=False).hexdigest() + ".dir"


def _md5(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "md5").hexdigest()


def _told(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__

"""Files of the user's own, kept in the repository below files/ (which dvc.yaml names, so that an edit is seen)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from stages.core.errors import InputError, nearest
from stages.sources.local import LocalFiles, place, relative

FILES = Path("files")


def _below_inputs(path: str) -> str:
    if not relative(path).startswith(f"{FILES}/"):
        raise ValueError(f"found {path!r}, wanted a path below {FILES}/, where the pipeline sees a change of the file")
    return path


@dataclass(frozen=True)
class Own:
    """Files and folders of the repository, copied as they are."""

    files: Annotated[
        LocalFiles[Annotated[str, AfterValidator(_below_inputs)]],
        Field(min_length=1, description="file or folder to write: path of a file or folder below files/"),
    ]

    def fetch(self, into: Path) -> None:
        """Copy the files. Raises InputError for one that is missing, a folder without files, a link out of files/."""
        for name, path in self.files.items():
            source = Path(path)
            if not source.exists():
                known = [p.as_posix() for p in FILES.rglob("*") if p.is_file()]
                raise InputError(f"{path}: no such file{nearest(path, known)}")
            for file in _files(source):
                if not file.resolve().is_relative_to(FILES.resolve()):
                    raise InputError(f"{file}: a link that leads out of {FILES}/")
                place(file, into, (Path(name) / file.relative_to(source)).as_posix())


def _files(source: Path) -> list[Path]:
    """Return `source`, or the files below it if it is a folder."""
    if not source.is_dir():
        return [source]
    found = sorted(source.rglob("*"))
    for path in found:
        if path.is_dir() and path.is_symlink():
            raise InputError(f"{path}: a link to a folder, wanted the folder")
    files = [path for path in found if path.is_file()]
    if not files:
        raise InputError(f"{source}: a folder without files")
    return files

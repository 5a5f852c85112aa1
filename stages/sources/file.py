"""Files of the user's own, kept in the repository below inputs/ (which dvc.yaml names, so that an edit is seen)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from stages.core.errors import InputError, nearest
from stages.sources.local import LocalFiles, place, relative

INPUTS = Path("inputs")


def _below_inputs(path: str) -> str:
    if not relative(path).startswith(f"{INPUTS}/"):
        raise ValueError(f"found {path!r}, wanted a path below {INPUTS}/, where the pipeline sees a change of the file")
    return path


@dataclass(frozen=True)
class File:
    """Files of the repository, copied as they are."""

    files: Annotated[
        LocalFiles[Annotated[str, AfterValidator(_below_inputs)]],
        Field(min_length=1, description="file to write: path of a file below inputs/"),
    ]

    def fetch(self, into: Path) -> None:
        """Copy the files. Raises InputError for one that is missing, no file, or a link out of inputs/."""
        for name, path in self.files.items():
            source = Path(path)
            if source.is_dir():
                raise InputError(f"{path}: is a folder, wanted a file")
            if not source.is_file():
                known = [p.as_posix() for p in INPUTS.rglob("*") if p.is_file()]
                raise InputError(f"{path}: no such file{nearest(path, known)}")
            if not source.resolve().is_relative_to(INPUTS.resolve()):
                raise InputError(f"{path}: a link that leads out of {INPUTS}/")
            place(source, into, name)

"""The three kinds of target of `outputs`: a file, a folder, and what is not there yet."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from stages.core import files
from stages.core.errors import InputError

OLD = {"file": "old", "many/deep/a": "old", "many/only-old": "old", "fresh/new": "old"}
NEW = {"file": "new", "many/deep/a": "new", "many/only-new": "new", "fresh/new": "new"}


def tree(folder: Path) -> dict[str, str]:
    """Return {relative path: text} of all files below `folder`."""
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def write(folder: Path, text: str) -> None:
    """Write the targets through `outputs`."""
    with files.outputs(folder / "file", folder / "many", folder / "fresh" / "new") as (file, many, new):
        file.write_text(text)
        (many / "deep").mkdir(parents=True)
        (many / "deep" / "a").write_text(text)
        (many / f"only-{text}").write_text(text)
        new.write_text(text)


def main() -> None:
    """Fail to write to the folder of the command line, tell whether all is old; write, tell whether all is new."""
    folder, replace = Path(sys.argv[1]), os.replace

    def full(source: Any, target: Any) -> None:
        if Path(source).name == ".new.partial":
            raise OSError(28, "full")
        replace(source, target)

    os.replace = full
    try:
        write(folder, "failed")
    except InputError as error:
        print(error)
    print(tree(folder) == OLD)
    os.replace = replace
    write(folder, "new")
    print(tree(folder) == NEW)


if __name__ == "__main__":
    main()

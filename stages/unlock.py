"""Drop what DVC has on record of processes that are gone, so that `dvc repro` goes on after kill -9.

    python -m stages.unlock              `make repro` does it first

DVC records in .dvc/tmp/rwlock which process reads or writes which path, and believes it as long as any process has that
number: a zombie, another process since, process 1 outside of the container where dvc ran. Then it refuses: "… is busy,
it is being blocked by". This drops each record whose process is not the dvc command it names, in this folder.
"""

from __future__ import annotations

if not __package__:
    import sys

    sys.stderr.write("run me as: python -m stages.unlock\n")
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("unlock")

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.files import outputs
from stages.core.processes import runs

RECORDS = Path(".dvc/tmp/rwlock")
_AS_MODULE = re.compile(r"^.*/dvc/__main__\.py\b")  # how DVC records `python -m dvc`


def unlock(project: Path = Path()) -> list[str]:
    """Drop the records of processes that are gone; return these, as `process 7 (dvc repro)`, in order.

    Raises InputError when another dvc holds the file of records for long.
    """
    path = project / RECORDS
    if not any(_read(path).values()):
        return []
    from dvc.config import Config
    from dvc.lock import LockError, make_lock

    hard = Config(str(project / ".dvc"))["core"].get("hardlink_lock", False)
    try:
        with make_lock(str(path.with_suffix(".lock")), tmp_dir=str(path.parent), hardlink_lock=hard):
            records, gone = _read(path), set()
            for one in _processes(records):
                if not runs(one["pid"], _AS_MODULE.sub("dvc", one["cmd"]), project):
                    gone.add((one["pid"], one["cmd"]))
            with outputs(path) as (staged,):
                staged.write_text(json.dumps(_without(records, gone)), encoding="utf-8")
    except LockError as error:
        raise InputError(f"{path}: another dvc is changing it: {error}") from None
    return [f"process {pid} ({command})" for pid, command in sorted(gone)]


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Return the records; none where there is no file, and of one that a kill cut short while DVC wrote it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        return {"broken": {"": []}}
    return {mode: dict(found.get(mode, {})) for mode in ("read", "write")}


def _processes(records: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield from records.get("write", {}).values()
    for readers in records.get("read", {}).values():
        yield from readers


def _without(records: dict[str, dict[str, Any]], gone: set[tuple[int, str]]) -> dict[str, dict[str, Any]]:
    def lives(one: dict[str, Any]) -> bool:
        return (one["pid"], one["cmd"]) not in gone

    readers = {path: [one for one in known if lives(one)] for path, known in records.get("read", {}).items()}
    return {
        "read": {path: known for path, known in readers.items() if known},
        "write": {path: one for path, one in records.get("write", {}).items() if lives(one)},
    }


def main() -> None:
    """Drop the records, and name them."""
    with cli.errors_told("unlock"):
        cli.parser("unlock", __doc__).parse_args()
        for gone in unlock():
            cli.tell(f"unlock: {gone} is gone: dropped from {RECORDS}")


if __name__ == "__main__":
    main()

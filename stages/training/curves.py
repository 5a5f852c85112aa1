"""Tables that grow a line at a time: live in metrics/finetune/, and kept in the scratch folder for resuming."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.files import tsv_line

Mark = Mapping[str, Any]  # what a checkpoint notes of a table: its size in bytes and its SHA-256


def intact(kept: Path, mark: Mark) -> bytes | None:
    """Return what `mark` notes of the file `kept`, or None when the file does not begin with it."""
    content = kept.read_bytes()[: mark["size"]] if kept.is_file() else b""
    sound = len(content) == mark["size"] and hashlib.sha256(content).hexdigest() == mark["sha256"]
    return content if sound else None


class Curve:
    """One TSV file, written to `live` and `kept` alike, flushed at every line."""

    def __init__(self, live: Path, kept: Path, columns: Sequence[str], content: bytes | None) -> None:
        """Begin with `content` (from `intact`), or with a header of `columns` when it is None."""
        self._files = (live, kept)
        content = tsv_line(columns).encode() if content is None else content
        self._digest = hashlib.sha256(content)
        self._size = len(content)
        for path in self._files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def mark(self) -> Mark:
        """Return the table's mark as it stands."""
        return {"size": self._size, "sha256": self._digest.hexdigest()}

    def append(self, line: str) -> None:
        """Add one line, which ends in a newline. Raises InputError when the folder was removed."""
        data = line.encode()
        try:
            for path in self._files:
                with path.open("ab") as file:
                    file.write(data)
        except FileNotFoundError as error:
            raise InputError(f"{path}: its folder was removed while the stage ran; start it again") from error
        self._digest.update(data)
        self._size += len(data)

"""The seeds of a run, set in the text of params.yaml: comments and layout stay."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stages.core.errors import InputError, nearest

STREAMS = re.compile(r"(?m)^seed_streams:[^\n]*\n(?:[ \t]+[^\n]*\n|[ \t]*\n)*")


def seeded(text: str, seed: int | None, streams: Mapping[str, int], name: str = "params.yaml") -> str:
    """Return `text` with `seed`, unless it is None, and the seeds of single `streams`.

    Raises InputError, which names the file, for a stream that is not there.
    """
    if seed is not None:
        text, count = re.subn(r"(?m)^seed:[ \t]*\S+", f"seed: {seed}", text)
        if count != 1:
            raise InputError(f"{name}: found {count} lines `seed: …`, wanted one to set the seed of a run")
    block = STREAMS.search(text)
    for stream, own in streams.items():
        old = block[0] if block else ""
        new, count = re.subn(
            rf"(?m)^([ \t]+{re.escape(stream)}:)(?:[ \t]+[^\s#]+|[ \t]*$|(?=[ \t]+#))", rf"\g<1> {own}", old
        )
        if count != 1:
            known = re.findall(r"(?m)^[ \t]+(\w+):", old)
            raise InputError(f"{name}: seed_streams has no stream {stream!r}{nearest(stream, known)}")
        text = text.replace(old, new)
        block = STREAMS.search(text)
    return text

"""Data files that are damaged, huge when unpacked, or say another thing than they seem to."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.attacks.place import Attack, Broken, Place, raised
from stages.cleaning.keeping import search
from stages.cleaning.reading import Reader
from stages.core.errors import InputError
from stages.core.files import write_json
from stages.core.params import Section, choice
from stages.formats import FORMATS

REFUSED = "one message that names the file, or the rows as they stand; never a guess, a traceback or no end"
ROWS = b"text,label\nwheat rose,a\nprofit up,b\n"
NAMES = {"csv": "d.csv", "tsv": "d.tsv", "tab": "d.tab", "json": "d.json", "jsonl": "d.jsonl", "parquet": "d.parquet"}
RUBBISH = {
    "nothing": b"", "NUL bytes": bytes(4096), "all bytes": bytes(range(256)) * 64,
    "an ELF header": b"\x7fELF" + bytes(200),
    "a byte order mark alone": b"\xef\xbb\xbf", "UTF-16": ROWS.decode().encode("utf-16"),
    "a cut character": ROWS + b"\xf0\x9f",
    "an open quote": b'text,label\n"wheat,a\n' + b"x" * 20_000_000, "one line of 20 MB": b"x" * 20_000_000,
    "a million columns": b"text,label" + b",c" * 1_000_000 + b"\nx,y\n", "quotes alone": b'"' * 300_001,
    "a header alone": b"text,label\n", "the column twice": b"text,text,label\na,b,c\n",
    "carriage returns alone": ROWS.replace(b"\n", b"\r"), "lone surrogates": b'{"text": "\\ud800", "label": "a"}\n' * 2,
    "deep brackets": b"[" * 200_000, "deep objects": b'{"a":' * 200_000,
    "a long number": b'{"text": 1' + b"0" * 50_000 + b"}\n",
    "NaN": b'{"text": NaN, "label": Infinity}\n', "a key twice": b'{"text": "a", "text": "b", "label": "c"}\n',
    "a Parquet head": b"PAR1" + bytes(64) + b"PAR1",
    "a Parquet of huge footer": b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1",
    "an HTML page": b"<!doctype html><html><script>alert(1)</script></html>", "a zip": b"PK\x03\x04" + bytes(100),
    "a pickle": b"cposix\nsystem\n(S'touch canary'\ntR.",
}  # fmt: skip


class _Any(Section):
    format: choice(FORMATS, tag="name")  # type: ignore[valid-type]


def reader(name: str) -> Reader:
    """Return what reads a format as its defaults say."""
    found: Any = _Any.model_validate({"format": {"name": name}})
    return Reader(found.format, "utf-8", "text", "label", None, "drop")


def _rows(name: str, path: Path) -> str:
    try:
        rows, counts = reader(name).read(path)
    except InputError as error:
        if str(path) not in str(error):
            raise Broken(f"the message does not name the file: {error}") from None
        return raised(error)
    return f"read: {counts['read']} rows, {len(rows.ids)} kept"


def _rubbish(place: Place, value: tuple[str, bytes]) -> str:
    name, content = value
    path = place.folder / NAMES[name]
    path.write_bytes(content)
    said = _rows(name, path)
    place.quiet()
    return said


PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gz": (".gz", lambda b: gzip.compress(b, 1)), "bz2": (".bz2", bz2.compress), "xz": (".xz",
    lambda b: lzma.compress(b, preset=0)),
}  # fmt: skip


def _bomb(place: Place, value: tuple[str, str]) -> str:
    name, kind = value
    suffix, pack = PACKED[kind]
    path = place.folder / f"{NAMES[name]}{suffix}"
    line = b"y" * 100 + b"\n" if name != "jsonl" else b" " * 100 + b"\n"
    path.write_bytes(pack(b"text,label\n" + line * 4_000_000))
    said = _rows(name, path)
    if not said.startswith("refused"):
        raise Broken(said)
    return said


def _damaged(place: Place, value: tuple[str, str]) -> str:
    kind, damage = value
    suffix, pack = PACKED[kind]
    path = place.folder / f"d.csv{suffix}"
    whole = pack(ROWS * 1000)
    half = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:half], "a bit turned": whole[:half] + bytes([whole[half] ^ 8]) + whole[half + 1 :],
            "rubbish behind": whole + b"rubbish" * 9, "rubbish before": b"rubbish" + whole, "empty": b"",
            "head alone": whole[:4], "not packed": ROWS, "packed twice": pack(whole),
        }[damage]
    )  # fmt: skip
    said = _rows("csv", path)
    if not said.startswith("refused"):
        raise Broken(said)
    return said


def _parquet(place: Place, damage: tuple[int, int]) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": ["wheat", "profit"] * 50, "label": ["a", "b"] * 50}), buffer)
    content = bytearray(buffer.getvalue())
    at, bit = damage
    content[at * len(content) // 100] ^= 1 << bit
    path = place.folder / "d.parquet"
    path.write_bytes(content)
    return _rows("parquet", path)


def _pattern(place: Place, pattern: str) -> str:
    try:
        with search(pattern) as found:
            found("a" * 60 + "!", "d.csv, line 2")
    except InputError as error:
        return raised(error)
    return "it ended"


def _unseen(place: Place, label: str) -> str:
    path = place.folder / "d.jsonl"
    lines = ({"text": "x", "label": "plain"}, {"text": "y", "label": label})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    said = _rows("jsonl", path)
    if not said.startswith("refused") and "1 kept" not in said:
        raise Broken(f"{label!a} became a class: {said}")
    return said


def _links(place: Place, target: str) -> str:
    (place.folder / "secret").write_text("text,label\nsecret,a\nsecret,b\n", encoding="utf-8")
    path = place.folder / "d.csv"
    path.symlink_to({"itself": "d.csv", "a device": "/dev/zero", "a folder": "/", "nothing": "none"}[target])
    write_json(place.folder / "x.json", {})
    return _rows("csv", path)


ATTACKS = (
    Attack("a file of rubbish as each format", REFUSED, _rubbish,
           {f"{name}: {what}": (name, content) for name in NAMES for what, content in RUBBISH.items()}, seconds=60),
    Attack("a file that unpacks to 400 MB of blanks or one letter",
           "refused by the ratio of its sizes, in bounded memory", _bomb,
           {f"{name}.{kind}": (name, kind) for name in ("csv", "tsv", "jsonl") for kind in PACKED}),
    Attack("a packed file that is damaged", "refused; never the rows before the damage alone", _damaged,
           {f"{kind}: {damage}": (kind, damage) for kind in PACKED for damage in (
               "cut", "a bit turned", "rubbish behind", "rubbish before", "empty", "head alone", "not packed",
               "packed twice")}),
    Attack("a bit turned somewhere in a Parquet file", REFUSED, _parquet,
           {f"at {at} %, bit {bit}": (at, bit) for at in range(0, 100, 4) for bit in (0, 3, 7)}, seconds=30),
    Attack("a pattern that backtracks for ever", "it ends within ten seconds of work, and the message says so",
        _pattern,
           {p: p for p in (r"(a+)+$", r"(a|a)*$", r"(a|aa)+$", r"(.*a){25}$", r"([a-z]+)*$", r"(a*)*b",
           r"(\w+\s?)*$")}),
    Attack("a label of which a reader sees nothing, or that moves the cursor", "refused by row, or empty", _unseen,
           {ascii(text): text for text in (
               "a\nb", "a\rb", "\x1b[2Ka", "a\tb", "\u200b", "\u202eabc", "a\u2028b", "a\x85b", "\u2066a", "\x00",
               "a\x07", "\u115f", "\ufeff", "\x9b1m", "a\x0bb", "\u061ca", "\U000e0041")}),
    Attack("a data file that is a link to what is no file of rows", "refused", _links,
           {name: name for name in ("itself", "a device", "a folder", "nothing")}, seconds=60),
)  # fmt: skip

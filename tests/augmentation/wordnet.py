"""A WordNet of a few words, in the format of Princeton's files."""

from __future__ import annotations

from pathlib import Path

LICENCE = "  1 This software and database is ours.\n"
FILES = {
    "data.noun": "00000042 05 n 03 car 0 auto 0 motor_vehicle 0 001 @ 00000099 n 0000 | a car; \"the auto\"\n"
    "00000099 05 n 01 gull 0 000 | a bird\n00000123 05 n 02 captain 0 chief 2 000 | a head\n"
    "00000150 05 n 02 a 1 angstrom 0 000 | a length\n",
    "data.verb": "00000042 30 v 02 sail 0 navigate 0 000 01 + 08 00 | go\n",
    "data.adj": "00000042 00 a 0a old 0 aged(a) 0 c1 0 c2 0 c3 0 c4 0 c5 0 c6 0 c7 0 c8 0 000 | not young\n",
    "data.adv": "00000042 02 r 02 soon 0 shortly 0 000 | in a moment\n",
}  # fmt: skip


def wordnet(folder: Path) -> Path:
    """Write the files into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (folder / name).write_text(LICENCE + text, encoding="utf-8")
    return folder

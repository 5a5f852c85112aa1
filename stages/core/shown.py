"""Text from data, params, certificates, files and Git, made fit for where it is read.

One function a place, and each keeps its readers from taking text for something else: `terminal` for one line of a
terminal or a text file, `markdown` for one of a Markdown page, `html` for a page, `cell` for a table that a spreadsheet
may open, `plotted` for a table that DVC embeds in its page of plots.
"""

from __future__ import annotations

import html as _html
import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

# Besides control characters: what turns the direction of writing, ends a line, or is half a character.
_ACTIVE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
# Intervals, which make no link, and what GitHub's Markdown acts on: underscores unless within a word, entities.
_MARKUP = re.compile(r"(\[[-+.,\d ]+\](?![(\[:]))|[\\`*~<|$\[\]]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
_BLOCK = re.compile(r"^(\d*)([>#]|[-+.)](?=\s|[-\s]*$))")  # what makes a quote, heading, list or rule of its line
_FORMULA = re.compile(r"'*[=+\-@]")


def terminal(text: str) -> str:
    r"""Return `text` in one line that moves no cursor and turns no writing: `\n`, `\x1b`, `\u202e` are spelt out."""
    return _ACTIVE.sub(_spelt, text)


def paragraphs(text: str) -> str:
    """Return `terminal` of every line of `text`; others than the first are indented, so as to pass for no other."""
    first, *others = (terminal(line) for line in text.split("\n"))
    return "\n".join([first, *(line if line.startswith("  ") else f"  {line}" for line in others)])


def markdown(text: str) -> str:
    """Return `terminal` of `text` as Markdown that shows just that: no markup, no picture, nobody called by name."""
    line = _MARKUP.sub(lambda found: found[1] or f"\\{found[0]}", terminal(text).strip(" "))
    return _BLOCK.sub(r"\1\\\2", line).replace("@", "@\u2060")


def markdown_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[bool] = (), wide: bool = False
) -> str:
    """Return a table of GitHub's Markdown; the cells are text, and the columns marked `right` end together.

    A `wide` one has columns of one width each, to be read as it is.
    """
    rule = ["---:" if r else "---" for r in right or [False] * len(head)]
    lines = [rule if line is rule else [markdown(" ".join(c.split())) for c in line] for line in (head, rule, *rows)]
    widths = [max(map(len, column)) if wide else 0 for column in zip(*lines, strict=True)]
    padded = ([c.ljust(w) for c, w in zip(line, widths, strict=True)] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in padded)


def html(text: str) -> str:
    """Return `text` as text of a page or of an attribute's value; line ends and tabs, which are harmless, stay."""
    return _html.escape(re.sub(_ACTIVE, lambda found: found[0] if found[0] in "\t\n" else _spelt(found), text))


def cell(text: str) -> str:
    """Return `text` with a `'` before what a spreadsheet would compute (`=+-@`), which `uncelled` takes away."""
    return f"'{text}" if _FORMULA.match(text) else text


def uncelled(text: str) -> str:
    """Return the text that `cell` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def plotted(names: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """Return names as data of DVC's page of plots, each other than all before it and those `taken`; see `cell` too.

    DVC writes the data into a script of the page as they are, where `<` could end the script: it becomes `‹`.
    """
    lines = [cell(terminal(name).replace("<", "‹")) for name in names]
    free, used = {line for line, name in zip(lines, names, strict=True) if line == name} - set(taken), set(taken)
    found = []
    for line, name in zip(lines, names, strict=True):
        own, number = line, 1
        while own in used or (own in free and own != name):
            number += 1
            own = f"{line} ({number})"
        used.add(own)
        found.append(own)
    return found


def plain(value: Any) -> str:
    """Return text as it is, and all else as JSON, in which a float keeps every bit."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def cut(text: str, most: int) -> str:
    """Return at most `most` characters of `text`, the last of them … where something is left out."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _spelt(found: re.Match[str]) -> str:
    code = ord(found[0])
    return _SHORT.get(found[0]) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")

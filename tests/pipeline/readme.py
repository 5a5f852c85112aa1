"""README.md and the pages of docs/: the blocks that they show, and the commands among them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.pipeline.closure import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]}


def blocks(kind: str, *pages: str) -> list[str]:
    """Return the fenced blocks of a kind (sh, yaml, …) of the pages of these names, or of all, as they stand there."""
    chosen = [text for path, text in PAGES.items() if not pages or path.name in pages]
    return [block for text in chosen for block in re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]


BLOCKS = [block.strip().splitlines() for block in blocks("sh")]


def headings(path: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    lines = re.findall(r"^#+ (.*)$", PAGES[path], re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def links(path: Path) -> list[tuple[Path, str]]:
    """Return (file, anchor or "") of each link of a page that leads to a file."""
    targets = re.findall(r"\]\(([^)\s]+)\)", PAGES[path])
    parted = [target.partition("#")[::2] for target in targets if ":" not in target]
    return [((path.parent / name).resolve() if name else path, anchor) for name, anchor in parted]


def safe(command: str) -> str:
    """Return what a test runs for a command: `make test` shows what it would do, for it is these tests.

    Claims that are not all reproduced are an answer, not a failure.
    """
    if command.startswith("python -m stages.verify claims"):
        return f"{command} || test $? -eq 1"
    return "make --dry-run test" if command == "make test" else command

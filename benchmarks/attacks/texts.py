"""Labels, texts and names that would pass for something else: through a whole run, and through all that shows it."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

from benchmarks.attacks.place import STEERS, Attack, Broken, Place, told
from benchmarks.attacks.verifier import git
from stages.core import shown

MUST = "text wherever it is read: no tag, link, picture, line or movement of the cursor of its own"
HOSTILE = (
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "<!--", "-->",
    "]]>", "</style><style>*{}", "</title>",
    "javascript:alert(1)", "![x](http://host/x.png)", "!![x](http://host/x.png)", "[x](http://host)",
    "[x]: http://host", "<http://host>", "http://host/x",
    "www.example.org", "a@example.org", "@everyone", "#1", "owner/repo#1", "a | b", "|", "`x`", "```", "~~~", "# x",
    "> x", "- x", "* x", "1. x", "1) x", "+ x",
    "---", "***", "===", "**x**", "__x__", "~~x~~", "\\", "\\|", "&lt;", "&#60;", "&copy", "$x$", "$$x$$", "[^1]",
    "[ ] x", "- [x] y", ":smile:", "<details>",
    "<!DOCTYPE x>", "<?php ?>", "=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "'=1", '=HYPERLINK("http://host")',
    "=cmd|' /C calc'!A0", '"', "'", '"><b>', "' onload='",
    "{{ 7*7 }}", "{% x %}", "${{ github.token }}", "${x}", "%s", "{}", "{0.__class__}", "%(x)s", "\\u003cb\\u003e",
    "accuracy", "macro avg", "weighted avg", "Total",
    "None", "nan", "inf", "true", "1.0000", "", " ", "…", "a" * 3000, "漢字", "é", "e\u0301", "ß", "İ", "\u00a0",
    "\u00ad", "\U0001f600", "\U000e0001", "ｅ", "＝1+1",
    "<DVC_METRIC_TITLE>", "</div>", "{plot_divs}", "a\\nb", "::error::x", "::set-output name=x::y", "##[error]x",
    "- holds", "x: holds", "rm -rf /", "$(touch canary)",
)  # fmt: skip
STEERING = (
    "\x1b[2Kholds", "\x1b]0;x\x07", "\x9b2K", "a\nb", "a\r\nb", "a\rb", "a\x0bb", "a\x0cb", "a\x85b", "a\u2028b",
    "a\u2029b", "\u202eabc", "\u2066abc", "\u200fabc",
    "\u061cabc", "a\x00b", "a\x7fb", "a\x08b", "a\ud800b", "\x1bPx\x1b\\", "\x1b_Gx\x1b\\", "a\x1cb", "a\x1db",
    "a\x1eb", "\x1b[8mhidden", "\x1b[?1049h",
)  # fmt: skip
TEXTS = (*HOSTILE, *STEERING)


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(f"{tag} {sorted(name for name, _ in attrs)}")


def _markdown(place: Place, text: str) -> str:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for page, where in (
        (f"{shown.markdown(text)}\n", "a line"),
        (shown.markdown_table(["a", "b"], [(text, "x"), ("y", text)]), "a table"),
    ):
        tokens = parser.parse(page)
        inner = {child.type for token in tokens for child in token.children or []} - {
            "text",
            "text_special",
            "softbreak",
        }
        blocks = {token.type for token in tokens} - {"paragraph_open", "inline", "paragraph_close"}
        if inner or (where == "a line" and blocks) or (where == "a table" and page.count("\n") != 4):
            raise Broken(f"{where} of Markdown: {inner or blocks}: {page[:100]!r}")
    return "shown as text"


def _html(place: Place, text: str) -> str:
    page = f"<p title=\"{shown.html(text)}\">{shown.html(text)}</p><p title='{shown.html(text)}'></p>"
    if _Tags(page).tags != ["p ['title']"] * 2 or re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page
    ):
        raise Broken(page[:200])
    return "shown as text"


def _terminal(place: Place, text: str) -> str:
    line = shown.terminal(text)
    if STEERS.search(line) or len(line.splitlines()) > 1:
        raise Broken(repr(line[:100]))
    return "shown as text"


def _cell(place: Place, text: str) -> str:
    if shown.cell(text)[:1] in ("=", "+", "-", "@") or shown.uncelled(shown.cell(text)) != text:
        raise Broken(repr(shown.cell(text)[:100]))
    return "shown as text"


def _plotted(place: Place, text: str) -> str:
    names = shown.plotted([text, "plain", text + " (2)", "plain"])
    if "<" in "".join(names) or len(set(names)) != 4 or STEERS.search("".join(names)):
        raise Broken(str(names)[:200])
    return "shown as text"


WHOLE = {  # labels that one run has at once, with all of which every command that shows the run is called
    "markup": HOSTILE[:30], "more markup": HOSTILE[30:60], "formulas and templates": HOSTILE[60:95],
    "the rest": HOSTILE[95:],
}  # fmt: skip


def _whole(place: Place, labels: tuple[str, ...]) -> str:
    """Run the pipeline on hostile labels and texts, and look at everything that it and the commands write."""
    project = place.copy()
    usual = place.copy("usual")
    kept = [text for text in labels if text.strip() and len(text) < 1000 and "\t" not in text]
    for name, root, own in (("hostile", project, kept), ("usual", usual, [f"label{n}" for n in range(len(kept))])):
        for split, count in (("train", 6), ("test", 2)):
            with (root / f"files/smoke/{split}.tsv").open("w", encoding="utf-8", newline="") as file:
                file.write("text\tlabel\n")
                rows = ((k, n, label) for k, label in enumerate(own) for n in range(count))
                file.writelines(
                    f"{label if name == 'hostile' else 'w'} wheat{n} {k}\t{label}\n" for k, n, label in rows
                )
        params = root / "params.yaml"
        params.write_text(
            re.sub(r"(?m)^(  epochs: )\d+", r"\g<1>1", params.read_text(encoding="utf-8")), encoding="utf-8"
        )
        ended = place.program("python", "-m", "dvc", "repro", "-q", cwd=root, seconds=280)
        if ended.code:
            told_in = [line for line in ended.err.splitlines() if ": error: " in line]
            raise Broken(f"{name}: {told_in or ended.err[-300:]}")
        git(root, "add", "-A")
        git(root, "commit", "-qm", "run")
    return _pages(place, project, usual)


def _pages(place: Place, project: Path, usual: Path) -> str:
    said = []
    for root in (project, usual):
        for words in (("report", "--against", "HEAD"), ("results",), ("results", "--md"), ("results", "--csv")):
            ended = place.command(f"stages.{words[0]}", *words[1:], cwd=root)
            if ended.code:
                raise Broken(told(ended))
            if STEERS.search(ended.out.replace("\n", "")):
                raise Broken(f"{words}: the terminal is steered")
        shutil.rmtree(root / "dvc_plots", ignore_errors=True)
        place.program("python", "-m", "dvc", "plots", "show", "-q", cwd=root)
    for name in ("report.html", "dvc_plots/index.html"):
        ours, theirs = (_Tags((root / name).read_text(encoding="utf-8")).tags for root in (project, usual))
        if more := {*ours} - {*theirs}:
            raise Broken(f"{name}: other tags: {sorted(more)[:5]}")
        said.append(f"{name}: {len({*ours})} kinds of tags, as of plain labels")
    for path in sorted((project / "data/predictions").rglob("*.tsv")) + sorted((project / "metrics").rglob("*.tsv")):
        for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""), delimiter="\t"):
            if [
                cell
                for cell in row
                if cell[:1] in ("=", "@")
                or (cell[:1] in "+-" and not re.fullmatch(r"[-+][\d.e+-]*|[-+]inf", cell) and cell)
            ]:
                raise Broken(f"{path.name}: a spreadsheet computes {row}")
    json.loads((project / "metrics/evaluate.json").read_text(encoding="utf-8"))
    return "; ".join(said)


ATTACKS = (
    Attack("a text in a line and a table of Markdown", MUST, _markdown, {ascii(text)[:60]: text for text in TEXTS},
        seconds=30),
    Attack("a text in HTML, as text and as attribute", MUST, _html, {ascii(text)[:60]: text for text in TEXTS},
        seconds=30),
    Attack("a text on the terminal", MUST, _terminal, {ascii(text)[:60]: text for text in TEXTS}, seconds=30),
    Attack("a text in a table that a spreadsheet opens", "not computed, and read back as it was", _cell,
        {ascii(text)[:60]: text for text in TEXTS}, seconds=30),
    Attack("a text in the data of DVC's page of plots", "names that differ, without `<`", _plotted,
        {ascii(text)[:60]: text for text in TEXTS}, seconds=30),
    Attack("labels and texts of a whole run, then report, results and plots", MUST, _whole, WHOLE, seconds=590),
)  # fmt: skip

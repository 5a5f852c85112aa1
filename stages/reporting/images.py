"""Figures as bytes that depend on what is drawn alone: SVG for the page, PNG for a pull request."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from stages.core.shown import html
from stages.reporting.charts import Palette

# Colours that stand for variables of the page's style, which has a light and a dark set of them.
_VARIABLES = {
    "#010101": "ink", "#010102": "muted", "#010103": "grid", "#010104": "paper", "#010105": "first",
    "#010106": "second",
}  # fmt: skip
PAGE = Palette("#010101", "#010102", "#010103", "#010104", ("#010105", "#010106"))
PAPER = Palette("#1c2430", "#5d6778", "#e1e5ea", "#ffffff", ("#2563a8", "#c2571a"))


@contextlib.contextmanager
def settings() -> Iterator[None]:
    """Draw with matplotlib's own defaults, whatever the user's are, and nothing random; labels are no formulas."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.hashsalt": "reprise", "svg.fonttype": "none", "text.parse_math": False})
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # names of classes, in any script
        yield


def svg(figure: Figure, name: str, said: str) -> str:
    """Return `figure` as an element of a page: `name` tells its ids from other figures', `said` is read out."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace("xlink:href", "href")
    # What a file of its own needs and an element of a page does not: namespaces, metadata, a style for everything.
    text = re.sub(r"<metadata>.*?</metadata>\s*|<style.*?</style>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"(fill|stroke): (#01010\d)", lambda found: f"{found[1]}: var(--{_VARIABLES[found[2]]})", text)
    text = re.sub(r'( id="| href="#|url\(#)', rf"\g<1>{name}-", text)
    box = re.search(r'viewBox="([^"]+)"', text)
    assert box is not None  # matplotlib writes one
    start = f'<svg viewBox="{box[1]}" role="img" aria-label="{html(said)}">'
    return start + text[text.index(">") + 1 :].strip() + "\n"


def image(figure: Figure, path: Path, form: str) -> None:
    """Write `figure` with a white background, as svg or png: the same bytes for the same drawing."""
    figure.patch.set_visible(True)
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type") if form == "svg" else ("Software",))
    figure.savefig(path, format=form, dpi=144, facecolor=PAPER.paper, metadata=nothing)


def png(figure: Figure, path: Path) -> None:
    """Write `figure` as PNG; see `image`."""
    image(figure, path, "png")

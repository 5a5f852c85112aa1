"""Figures as bytes: the same each time, fit for a page, whatever the classes are called."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import pytest

from stages.reporting import charts
from stages.reporting.images import PAGE, PAPER, png, settings, svg
from stages.reporting.tables import FORMS, parse
from tests.reporting.test_charts import OWN


def drawn(name: str = "loss") -> str:
    with settings():
        return svg(charts.loss({"": OWN}, PAGE), name, 'said & "so"')


def test_the_same_bytes_whatever_the_users_settings() -> None:
    first = drawn()
    with matplotlib.rc_context({"axes.linewidth": 9, "xtick.direction": "in"}):
        assert drawn() == first


def test_a_picture_is_the_same_bytes_and_tells_no_version(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        with settings():
            png(charts.loss({"": OWN}, PAPER), tmp_path / name)
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert b"matplotlib" not in content


def test_colours_are_the_pages() -> None:
    text = drawn()
    assert "#0101" not in text
    assert {"var(--first)", "var(--second)", "var(--muted)"} <= set(re.findall(r"var\(--\w+\)", text))


def test_ids_of_two_figures_differ() -> None:
    ids = [set(re.findall(r' id="([^"]+)"', drawn(name))) for name in ("one", "two")]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_what_is_referred_to_is_there() -> None:
    text = drawn()
    referred = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    assert referred
    assert referred <= set(re.findall(r' id="([^"]+)"', text))


def test_it_is_read_out() -> None:
    assert re.match(r'<svg viewBox="[\d. ]+" role="img" aria-label="said &amp; &quot;so&quot;">', drawn())


@pytest.mark.parametrize("label", ["<b>&</b>", "$\\frac{1$", "_hidden", "新聞", "-->"])
def test_a_class_can_be_called_anything(label: str) -> None:
    header = "actual\tpredicted\texamples\tshare\trow\tcolumn\n"
    table = parse(f"{header}{label}\t{label}\t1\t1.0\t0\t0\n", "confusion.tsv", FORMS["matrix"])
    with settings():
        text = svg(charts.matrix(table, PAGE), "confusion", "said")
    assert "<b>" not in text
    assert "-->" not in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    assert label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in text

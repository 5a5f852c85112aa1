"""The Vega-Lite templates in .dvc/plots: DVC fills them, and they name columns that the stages write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc_render.html import HTML
from dvc_render.vega import VegaRenderer

from stages.scoring.classification import METRICS
from stages.scoring.report import BARS, LINES, MATRIX

PLOTS = Path(__file__).parents[1] / ".dvc/plots"


def columns() -> dict[str, set[str]]:
    """Return {template: columns of the files it draws}."""
    from stages.training.loop import STEPS
    from stages.training.trace import COLUMNS

    validation = {"step", "epoch", *METRICS}
    return {
        "bars": set(BARS),
        "learning_rate": set(STEPS),
        "lines": set(LINES),
        "loss": set(STEPS) | validation | {"filename"},
        "matrix": set(MATRIX),
        "trace": set(COLUMNS),
        "validation": validation | {"<DVC_METRIC_Y>"},
    }


def values(tree: Any, key: str) -> Iterator[str]:
    """Yield every string that stands under `key` in a JSON tree."""
    if isinstance(tree, dict):
        for name, inner in tree.items():
            if name == key and isinstance(inner, str):
                yield inner
            elif name == key and isinstance(inner, list):
                yield from (item for item in inner if isinstance(item, str))
            yield from values(inner, key)
    elif isinstance(tree, list):
        for inner in tree:
            yield from values(inner, key)


def own_data(tree: Any) -> set[str]:
    """Return the fields of the data that a template brings along: reference lines."""
    rows = [row for found in _under(tree, "values") if isinstance(found, list) for row in found]
    return {key for row in rows if isinstance(row, dict) for key in row}


def _under(tree: Any, key: str) -> Iterator[Any]:
    if isinstance(tree, dict):
        for name, inner in tree.items():
            if name == key:
                yield inner
            yield from _under(inner, key)
    elif isinstance(tree, list):
        for inner in tree:
            yield from _under(inner, key)


NAMES = sorted(path.stem for path in PLOTS.glob("*.json"))


def test_every_template_has_its_files() -> None:
    assert sorted(columns()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_template_names_columns_that_exist(name: str) -> None:
    template = json.loads((PLOTS / f"{name}.json").read_text(encoding="utf-8"))
    made = {*values(template, "as"), *own_data(template)}
    used = {*values(template, "field"), *values(template, "groupby"), *values(template, "fold")}
    parsed = {field for found in _under(template, "parse") for field in found}
    assert used - made - {"rev"} <= columns()[name]
    assert parsed <= columns()[name]


@pytest.mark.parametrize("name", NAMES)
def test_dvc_fills_every_anchor(name: str) -> None:
    fields = sorted(field for field in columns()[name] if not field.startswith("<"))
    points = [
        {**dict.fromkeys(fields, "1"), "rev": rev, "filename": "f", "field": fields[0]} for rev in ("HEAD", "exp")
    ]
    renderer = VegaRenderer(
        points,
        name,
        template=name,
        template_dir=str(PLOTS),
        x=fields[0],
        y=fields[1],
        y_label="y",
        title="A title",
        anchors_y_definitions=[{"filename": "f", "field": fields[1]}],
    )
    filled = json.dumps(renderer.get_filled_template())
    assert "<DVC_METRIC_" not in filled
    assert '"A title"' in filled


def test_the_page_has_a_place_for_scripts_and_plots() -> None:
    page = HTML((PLOTS / "page.html").read_text(encoding="utf-8")).with_scripts("<!-- drawing library -->")
    text = page.with_element("<!-- a plot -->").embed()
    assert "<!-- drawing library -->" in text
    assert "<!-- a plot -->" in text
    assert "{refresh_tag}" not in text

"""What holds for every kind of source."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path
from typing import get_type_hints

import pytest

from stages import interfaces
from stages.core.params import imported as plugin_at
from stages.sources import SOURCES


@pytest.mark.parametrize("kind", SOURCES)
def test_kind_is_a_frozen_dataclass_in_the_file_of_its_name(kind: str) -> None:
    plugin = plugin_at(SOURCES[kind])
    assert dataclasses.is_dataclass(plugin)
    assert plugin.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert plugin.__module__ == f"stages.sources.{kind}"


@pytest.mark.parametrize("kind", SOURCES)
def test_kind_fetches_as_the_protocol_says(kind: str) -> None:
    wanted = get_type_hints(interfaces.Source.fetch)
    assert get_type_hints(plugin_at(SOURCES[kind]).fetch) == wanted == {"into": Path, "return": type(None)}


@pytest.mark.parametrize("kind", SOURCES)
def test_kind_does_not_import_its_siblings(kind: str) -> None:
    tree = ast.parse(Path("stages/sources", kind, "__init__.py").read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {f"stages.sources.{other}" for other in SOURCES}

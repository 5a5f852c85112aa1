"""Every test has a cache of its own, and decodes sources as params.yaml does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.core.params import Section, choice, decode
from stages.sources import SOURCES


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the archives in a cache that is empty."""
    monkeypatch.setenv("REPRISE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "archives"


class Data(Section):
    source: choice(SOURCES, "kind")  # type: ignore[valid-type]


class Params(Section):
    data: Data


@pytest.fixture(scope="session")
def decoded() -> Callable[..., Any]:
    """Return a function that turns the keys of a `data.source` into the source."""

    def decode_source(**keys: Any) -> Any:
        return decode(Params, {"data": {"source": keys}}, {}, "params.yaml").data.source

    return decode_source

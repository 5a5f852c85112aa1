"""What each kind of source says of itself, and the licence that CITATION.cff lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.releasing.sources import Source, licences, sources

SHA, COMMIT = "ab" * 32, "c" * 40
KNOWN = licences(
    {"references": [{"title": "texts==1.0", "license": "MIT"}, {"title": "ann/data", "license": "CC0-1.0"}]}
)
PACKAGE = {"kind": "package", "manager": "pip", "package": "texts==1.0", "sha256": SHA}
NPM = {"kind": "package", "manager": "npm", "package": "@scope/words@2.0", "sha256": SHA}
URL = {"kind": "url", "files": {"a.tsv": {"url": "https://example.org/a.tsv", "sha256": SHA}}}
HUB = {"kind": "hub", "repo": "ann/data", "repo_type": "dataset", "revision": COMMIT}
RUN = {"kind": "run", "commit": COMMIT, "path": "data/clean"}


@pytest.mark.parametrize(
    ("tree", "wanted"),
    [
        (PACKAGE, Source("texts==1.0", "pkg:pypi/texts@1.0", SHA, None, "MIT")),
        (NPM, Source("@scope/words@2.0", "pkg:npm/%40scope/words@2.0", SHA, None, None)),
        (URL, Source("a.tsv", "https://example.org/a.tsv", SHA, None, None)),
        (
            {**HUB, "files": {"a.csv": {"path": "a.csv", "sha256": SHA}}},
            Source("ann/data/a.csv", f"hf://datasets/ann/data@{COMMIT}/a.csv", SHA, COMMIT, "CC0-1.0"),
        ),
        (
            {**HUB, "splits": {"a.parquet": "train"}},
            Source("ann/data", f"hf://datasets/ann/data@{COMMIT}", None, COMMIT, "CC0-1.0"),
        ),
        (RUN, Source("data/clean of cccccccccccc", f"git+.@{COMMIT}#data/clean", None, COMMIT, None)),
    ],
)
def test_a_source(tree: dict[str, Any], wanted: Source) -> None:
    assert sources(Path(), COMMIT, tree, KNOWN) == (wanted,)

"""Where bytes come from: one file a kind of `data.source` and `model.source`. Nothing fetched is ever run."""

from __future__ import annotations

from stages.sources.file import File
from stages.sources.hub import Hub
from stages.sources.package import Package
from stages.sources.url import Url

SOURCES = {"package": Package, "hub": Hub, "url": Url, "file": File}

"""Where bytes come from: one folder a kind of `data.source` and `model.source`. Nothing fetched is ever run."""

SOURCES = {
    "package": "stages.sources.package:Package",
    "hub": "stages.sources.hub:Hub",
    "url": "stages.sources.url:Url",
    "file": "stages.sources.file:File",
    "run": "stages.sources.run:Run",
}

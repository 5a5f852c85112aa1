"""Stage download: fetch the raw data and the base model, every byte of them pinned.

    python -m stages.download

Reads `data.source`, `data.resource`, `model.source` and `model.teacher` of params.yaml (and files/, if one is of kind
`file`); writes data/raw/, data/resource/, models/base/ and models/teacher/, all or none. That of a null source holds a
line that says so. A GGUF file becomes safetensors. Archives are kept in a per-user cache (stages/sources/cache.py), so
that the second time needs no network.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.download", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("download")  # the imports below take their time

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stages.core.errors import InputError
from stages.core.files import Accept, outputs, read_object
from stages.core.params import Elsewhere, Section, choice, load
from stages.core.processes import end_with_dvc
from stages.gguf import convert
from stages.interfaces import Source
from stages.project import graph
from stages.repro.weights import check_pointer, check_weights, unsafe
from stages.sources import SOURCES

# The folder that each source fills, by its key of params.yaml.
FOLDERS = {
    "data.source": Path("data/raw"),
    "data.resource": Path("data/resource"),
    "model.source": Path("models/base"),
    "model.teacher": Path("models/teacher"),
}
NOTHING = "nothing.txt"  # the one file in the folder of a null source
# Kinds of `data.resource` and `model.teacher`. DVC takes a path once, and `stages/sources/KIND` is that of data.source
# or model.source; so these stand in modules that dvc.yaml names for every run.
BESIDE = {
    "package": "stages.sources.packaged:Packaged",
    "file": "stages.sources.own:Own",
    "run": "stages.sources.earlier:Earlier",
}

if TYPE_CHECKING:
    AnySource = Source
    AnyBeside = Source
else:
    AnySource, AnyBeside = choice(SOURCES, tag="kind"), choice(BESIDE, tag="kind")


class Data(Section):
    """What this stage reads of section `data`."""

    source: AnySource
    resource: AnyBeside | None
    format: Elsewhere = None
    encoding: Elsewhere = None
    files: Elsewhere = None
    columns: Elsewhere = None
    split: Elsewhere = None
    keep: Elsewhere = None
    empty: Elsewhere = None
    duplicates: Elsewhere = None
    conflicts: Elsewhere = None
    leakage: Elsewhere = None
    validation_fraction: Elsewhere = None
    test_fraction: Elsewhere = None
    stratify: Elsewhere = None
    per_class: Elsewhere = None
    limit: Elsewhere = None


class Model(Section):
    """What this stage reads of section `model`."""

    source: AnySource
    teacher: AnyBeside | None
    init: Elsewhere = None
    head: Elsewhere = None
    overrides: Elsewhere = None


class Params(Section):
    """What this stage reads of params.yaml."""

    data: Data
    model: Model


def download(
    sources: Mapping[str, Source | None], folders: Mapping[str, Path] = FOLDERS, accept: Accept | None = None
) -> None:
    """Fill the folder of each source by its key of params.yaml; on any failure all stay as they were.

    Raises InputError for what a source refuses, and for a model folder without config or with unsafe weights.
    """
    with outputs(*folders.values(), accept=accept) as filled:
        for (key, source), folder in zip(sources.items(), filled, strict=True):
            folder.mkdir()
            if source is None:  # DVC warns of an empty folder in every run
                (folder / NOTHING).write_text(f"{key} of params.yaml is null.\n", encoding="utf-8")
            else:
                _fetch(key, source, folder)
                if key.startswith("model."):
                    with _named(key, folder):
                        convert(folder)
                    _check_model(key, folder)


def _fetch(key: str, source: Source, folder: Path) -> None:
    try:
        source.fetch(folder)
    except InputError as error:
        raise InputError(f"{key}: {error}") from None
    except OSError as error:
        written = error.filename2 or error.filename or str(folder)  # a copy that fails names its source first
        raise OSError(error.errno, error.strerror, written) from error


def _check_model(key: str, folder: Path) -> None:
    """Refuse what no stage will load: no config, weights that are pickles, cut off or not fetched, an adapter."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    if "config.json" not in names:
        raise InputError(f"{key}: model folder without config: no config.json among {', '.join(names)}")
    for name in names:
        if refusal := unsafe(name):
            raise InputError(f"{key}: {refusal}")
    with _named(key, folder):
        for name in names:
            check_pointer(folder / name)
        check_weights(folder)
        read_object(folder / "config.json")


@contextlib.contextmanager
def _named(key: str, folder: Path) -> Iterator[None]:
    """Name a file in `folder`, which stands aside until all is done, by `key` and its own name."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{key}: {str(error).replace(f'{folder}/', '')}") from None


def sources_of(params: Params) -> dict[str, Source | None]:
    """Return each source by its key of params.yaml."""
    sources = params.data.source, params.data.resource, params.model.source, params.model.teacher
    return dict(zip(FOLDERS, sources, strict=True))


def main() -> None:
    """Run the stage in the working folder."""
    with cli.errors_told("download"):
        cli.parser("download", __doc__).parse_args()
        end_with_dvc("download")
        inputs = graph.inputs("download")
        params = load(Params)
        download(sources_of(params), accept=inputs.accept)


if __name__ == "__main__":
    main()

"""Where the data and the base model came from, as params.yaml pins it, with the licences that CITATION.cff states."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.project import objects
from stages.repro.digests import of_bytes


@dataclass(frozen=True)
class Source:
    """One archive, file or repository of which bytes were taken."""

    name: str
    address: str  # a URL, a package URL, hf://, or a path in the repository
    sha256: str | None
    revision: str | None  # commit of a hub or of a repository
    licence: str | None  # SPDX id


def licences(citation: Mapping[str, Any]) -> dict[str, str]:
    """Return {title or address: licence} of what CITATION.cff lists under `references`."""
    found = {}
    for one in citation.get("references") or ():
        for key in ("title", "url", "repository", "repository-artifact", "repository-code"):
            if one.get(key) and one.get("license"):
                found[str(one[key])] = str(one["license"])
    return found


def sources(root: Path, sha: str, tree: Mapping[str, Any], known: Mapping[str, str]) -> tuple[Source, ...]:
    """Return the sources that `tree`, a `source` of params.yaml, names, in its order."""
    found = []
    for name, address, sha256, revision in _SOURCES[tree["kind"]](root, sha, tree):
        licence = next((own for key, own in known.items() if key in (name, address, tree.get("repo"))), None)
        found.append(Source(name, address, sha256, revision, licence))
    return tuple(found)


Found = Iterator[tuple[str, str, str | None, str | None]]


def _package(root: Path, sha: str, tree: Mapping[str, Any]) -> Found:
    name, _, version = str(tree["package"]).replace("==", "@").rpartition("@")
    manager = {"pip": "pypi"}.get(tree["manager"], tree["manager"])
    yield tree["package"], f"pkg:{manager}/{name.replace('@', '%40')}@{version}", tree["sha256"], None


def _url(root: Path, sha: str, tree: Mapping[str, Any]) -> Found:
    for name, one in tree["files"].items():
        yield name, one["url"], one["sha256"], None


def _hub(root: Path, sha: str, tree: Mapping[str, Any]) -> Found:
    place = "datasets/" if tree.get("repo_type", "dataset") == "dataset" else ""
    start = f"hf://{place}{tree['repo']}@{tree['revision']}"
    for one in (tree.get("files") or {}).values():
        path, sha256 = (one, None) if isinstance(one, str) else (one["path"], one.get("sha256"))
        yield f"{tree['repo']}/{path}", f"{start}/{path}", sha256, tree["revision"]
    if tree.get("splits"):
        yield tree["repo"], start, None, tree["revision"]


def _file(root: Path, sha: str, tree: Mapping[str, Any]) -> Found:
    for path in sorted(set(tree["files"].values())):
        for name, content in sorted(objects.files(root, sha, path)):
            yield name, name, of_bytes(content), None


def _run(root: Path, sha: str, tree: Mapping[str, Any]) -> Found:
    repository = tree.get("repository") or "."
    path = tree.get("path", "models/finetuned")
    yield f"{path} of {tree['commit'][:12]}", f"git+{repository}@{tree['commit']}#{path}", None, tree["commit"]


_SOURCES = {"package": _package, "url": _url, "hub": _hub, "file": _file, "run": _run}


def slug(text: str) -> str:
    """Return `text` as an identifier: letters, digits, `.`, `_`, `-`."""
    return re.sub(r"[^\w.-]+", "-", text, flags=re.ASCII).strip("-") or "data"

"""What a commit says would be run: commands, params and digests, read from its objects, without running anything."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.core import yaml12
from stages.core.errors import InputError
from stages.core.params import PARAMS
from stages.project import graph, objects
from stages.project.lock import Lock, Stage
from stages.verification import plan

RECIPES = "recipes"


def of(repository: Path, sha: str, recipe: str | None) -> Lock:
    """Return the stages of the commit's dvc.yaml, under its recipe, as a lock in which outputs have no digest.

    Nor has a dependency that the commit does not hold: "". Raises InputError when dvc.yaml, params.yaml or the recipe
    is missing or broken.
    """
    where = f"of commit {sha[:12]}"
    params = _tree(repository, sha, str(PARAMS))
    for overlay in _overlays(repository, sha, recipe) if recipe is not None else ():
        for section, keys in overlay.items():
            both = isinstance(keys, dict) and isinstance(params.get(section), dict)
            params[section] = {**params[section], **keys} if both else keys
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, graph.GRAPH).write_bytes(_file(repository, sha, graph.GRAPH))
        stages = graph.stages(Path(folder), params)
    paths = {path for stage in stages for path in stage.deps}
    digests = {path: plan.md5_of(dict(objects.files(repository, sha, path)), path) or "" for path in sorted(paths)}
    try:
        return {
            stage.name: Stage(
                stage.command, {path: digests[path] for path in stage.deps}, plan.values(stage.params, params),
                dict.fromkeys(stage.outs, ""),
            )
            for stage in stages
        }  # fmt: skip
    except (KeyError, TypeError) as error:
        raise InputError(f"{PARAMS} {where}: lacks {error}, which {graph.GRAPH} names") from None


def _overlays(repository: Path, sha: str, name: str, above: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """Yield the recipe after those it stands on."""
    if name in above:
        raise InputError(f"{RECIPES}/{name}.yaml of commit {sha[:12]}: stands on itself")
    overlay = _tree(repository, sha, f"{RECIPES}/{name}.yaml")
    base = overlay.pop("base", None)
    if base is not None:
        yield from _overlays(repository, sha, str(base), (*above, name))
    yield overlay


def _tree(repository: Path, sha: str, path: str) -> dict[str, Any]:
    name = f"{path} of commit {sha[:12]}"
    tree = yaml12.values(_file(repository, sha, path).decode(errors="replace"), name)
    if not isinstance(tree, dict):
        raise InputError(f"{name}: found no keys")
    return tree


def _file(repository: Path, sha: str, path: str) -> bytes:
    content = objects.file(repository, sha, path)
    if content is None:
        raise InputError(f"{path} of commit {sha[:12]}: missing, so the certificate cannot be held against it")
    return content

"""Merge a ready parameter set into params.yaml.

    python -m stages.recipe              lists the recipes by what they learn from what
    python -m stages.recipe NAME         merges recipes/NAME.yaml into params.yaml and shows the difference
    python -m stages.recipe NAME -n      shows the difference alone

A recipe names whole keys, `input`, `data.source` or `train.epochs`: each is replaced as one, whatever it held. With
`base: OTHER` it stands on another recipe, merged before it. The comments of params.yaml stay; its layout is the one
that `dvc exp run -S` writes: an empty value for null, a line for each item of a list. What would not be a valid
params.yaml is not written.
"""

from __future__ import annotations

if not __package__:
    import sys

    sys.stderr.write("run me as: python -m stages.recipe\n")
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("recipe")  # the imports below take their time

import difflib
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from ruamel.yaml.tokens import CommentToken

from stages import params
from stages.core import yaml12
from stages.core.errors import InputError, nearest
from stages.core.files import outputs
from stages.core.params import PARAMS

RECIPES = Path("recipes")
BASE = "base"  # the key of the recipe that another stands on
TASK = ("input", "target")
WHOLE = (*TASK, "augmentation")  # sections that are replaced as one
COLOURS = {"+": "\x1b[32m", "-": "\x1b[31m", "@": "\x1b[36m"}


def summaries(folder: Path = RECIPES) -> dict[str, str]:
    """Return {name: its first comment line} of all recipes, sorted."""
    firsts = {path.stem: yaml12.read_text(path).partition("\n")[0] for path in sorted(folder.glob("*.yaml"))}
    return {name: first.removeprefix("#").strip() if first.startswith("#") else "" for name, first in firsts.items()}


def listed(folder: Path = RECIPES) -> list[str]:
    """Return a line for each recipe, below one for what its input and target are."""
    found: dict[str, list[str]] = {}
    known = summaries(folder)
    for name, summary in known.items():
        held: dict[str, str] = {}
        for overlay in _overlays(name, folder):
            held |= {key: str(overlay[key]["name"]) for key in TASK if key in overlay}
        task = " × ".join(held.get(key, "as it is") for key in TASK)
        found.setdefault(task, []).append(f"  {name:<{max(map(len, known))}}  {summary}")
    return [line for task, lines in found.items() for line in (task, *lines)]


def merged(name: str, text: str, label: str = str(PARAMS), folder: Path = RECIPES) -> str:
    """Return `text` (of the params file `label`) with the recipe `name` merged in.

    Raises InputError for a recipe there is not and for YAML that is broken.
    """
    tree = _load(text, label)
    for overlay in _overlays(name, folder):
        for section, keys in overlay.items():
            if section not in WHOLE and isinstance(keys, CommentedMap) and isinstance(tree.get(section), CommentedMap):
                for key in keys:
                    _take(tree[section], keys, key)
            else:
                _take(tree, overlay, section)
    written = io.StringIO()
    _blocks(tree)
    _round_trip().dump(tree, written)
    return written.getvalue()


def apply(name: str, path: Path = PARAMS, folder: Path = RECIPES, dry: bool = False) -> str:
    """Merge the recipe `name` into the params file at `path` unless `dry`; return the unified diff, "" for none.

    Raises InputError, and leaves the file as it is, when the whole would not be valid.
    """
    before = yaml12.read_text(path)
    after = merged(name, before, str(path), folder)
    label = f"{path} with recipe {name}"
    tree, lines = yaml12.parse(after, label)
    params.check(tree, lines, label)
    if _same(tree, yaml12.parse(before, str(path))[0]):
        return ""
    if not dry:
        with outputs(path) as (staged,):
            staged.write_text(after, encoding="utf-8", newline="\n")
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    return "".join(difflib.unified_diff(old, new, fromfile=str(path), tofile=label, n=1))


def _overlays(name: str, folder: Path, above: tuple[str, ...] = ()) -> Iterator[CommentedMap]:
    """Yield the overlay `name` after those it stands on."""
    known = summaries(folder)
    if name not in known:
        raise InputError(f"{name}: no such recipe in {folder}{nearest(name, known)}")
    path = folder / f"{name}.yaml"
    if name in above:
        raise InputError(f"{path}: stands on itself ({' on '.join((*above, name))})")
    overlay = _load(yaml12.read_text(path), str(path))
    base = overlay.pop(BASE, None)
    if base is not None:
        yield from _overlays(str(base), folder, (*above, name))
    yield overlay


def _load(text: str, label: str) -> CommentedMap:
    yaml12.parse(text, label)  # its errors name the line
    try:
        tree = _round_trip().load(text)
    except YAMLError as error:
        raise InputError(f"{label}: not valid YAML: {error}") from None
    if not isinstance(tree, CommentedMap):
        raise InputError(f"{label}: found no sections to merge")
    return tree


def _round_trip() -> YAML:
    """Return the reader and writer that `dvc exp run -S` uses, so that it finds nothing to lay out anew."""
    yaml = YAML()
    yaml.default_flow_style = False
    return yaml


def _blocks(tree: CommentedMap) -> None:
    """Lay out every list and mapping below `tree` with one item a line, as DVC writes what it sets."""
    for key, value in tree.items():
        if isinstance(value, CommentedMap) and value:
            value.fa.set_block_style()
            _blocks(value)
        elif isinstance(value, list) and value:
            tree[key] = list(value)


def _take(tree: CommentedMap, overlay: CommentedMap, key: str) -> None:
    """Make `tree[key]` what `overlay[key]` is, in place, so that comments stay on all that stays."""
    old, new = tree.get(key), overlay[key]
    if isinstance(old, CommentedMap) and isinstance(new, CommentedMap) and not old.fa.flow_style():
        for gone in [inner for inner in old if inner not in new]:
            del old[gone]
        for place, inner in enumerate(new):
            if inner not in old:
                old.insert(place, inner, new[inner])
            _take(old, new, inner)
    elif key not in tree or not _same(old, new):
        tree[key] = new
    _take_comment(tree, overlay, key)


def _take_comment(tree: CommentedMap, overlay: CommentedMap, key: str) -> None:
    """Put the overlay's comment, if it has one, at `key`; the blank and comment lines below it in the tree stay."""
    new, old = (found.ca.items.get(key, [None] * 4)[2] for found in (overlay, tree))
    if new is None or not new.value.startswith("#"):
        return
    first = new.value.partition("\n")[0]
    rest = old.value.partition("\n")[2] if old is not None else ""
    tree.ca.items[key] = [None, None, CommentToken(f"{first}\n{rest}", new.start_mark, None), None]


def _same(one: Any, other: Any) -> bool:
    """Tell whether two trees hold equal values of equal types, in whatever order of keys."""
    first, second = (json.dumps(tree, sort_keys=True, default=str) for tree in (one, other))
    return first == second


def _coloured(diff: str) -> str:
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return diff
    lines = diff.splitlines()
    return "".join(f"{COLOURS[line[0]]}{line}\x1b[0m\n" if line[:1] in COLOURS else f"{line}\n" for line in lines)


def main() -> None:
    parser = cli.parser("recipe", __doc__)
    parser.add_argument("name", nargs="?", metavar="NAME", help="the recipe; without it, all are listed")
    parser.add_argument("--params", type=Path, default=PARAMS, metavar="FILE", help="the file to merge into")
    parser.add_argument("-n", "--dry-run", action="store_true", help="show the difference and write nothing")
    arguments = parser.parse_args()
    with cli.errors_told("recipe"):
        if arguments.name is None:
            print("\n".join(listed()))
            return
        diff = apply(arguments.name, arguments.params, dry=arguments.dry_run)
        print(_coloured(diff), end="")
        state = "would be" if arguments.dry_run else "is now"
        print(f"{arguments.params} {state if diff else 'is already'} recipe {arguments.name}")


if __name__ == "__main__":
    main()

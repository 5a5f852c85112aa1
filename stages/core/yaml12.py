"""YAML as DVC reads it: version 1.2 scalars.

`dvc exp run -S train.lr=3e-5` writes `3e-05`, which PyYAML's own loader (YAML 1.1) returns as text; it also turns
`yes`, `on`, `0o14` and `1:30` into what nobody meant. This loader resolves plain scalars by the core schema of
YAML 1.2.2, section 10.3.2, and remembers on which line each key stands. Where ruamel.yaml, DVC's reader, departs from
the schema the scalar is text here, which a key that wants a number refuses: 1_000, 0b11, -0x1f, .5e3 and dates.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

from stages.core.errors import InputError

TAG = "tag:yaml.org,2002:"
KeyPath = tuple[str, ...]


class _Loader(yaml.SafeLoader):
    """SafeLoader for the core schema of YAML 1.2: no other tags, keys that are text as written, each given once."""

    yaml_constructors: ClassVar[dict[Any, Any]] = {
        tag: construct
        for tag, construct in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.removeprefix(TAG) in ("null", "bool", "str", "seq", "map")
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        found: dict[Hashable, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key that is no text", key.start_mark)
            if key.value in found:
                problem = f"the key {key.value!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            found[key.value] = self.construct_object(value, deep=deep)
        return found


def _int(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _float(loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(str(loader.construct_scalar(node)).lower().replace(".inf", "inf").replace(".nan", "nan"))


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|[-+]?\.[0-9]+(?:[eE][-+][0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(TAG + _tag, re.compile(rf"^(?:{_pattern})$"), list(_first))
_Loader.add_constructor(TAG + "int", _int)
_Loader.add_constructor(TAG + "float", _float)


class _Quick(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """_Loader on libyaml, where it is there."""

    construct_mapping = _Loader.construct_mapping
    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
    yaml_constructors = _Loader.yaml_constructors


def values(text: str, name: str) -> Any:
    """Return the tree that `text` holds, without lines, eight times as fast; for many files that machines wrote.

    Raises InputError, which names `name`, when `text` is not YAML.
    """
    try:
        return yaml.load(text, _Quick)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{name}: not valid YAML: {getattr(error, 'problem', None) or error}") from None


def parse(text: str, name: str) -> tuple[Any, dict[KeyPath, int]]:
    """Return the tree that `text` holds and the line (from 1) of every key path in it.

    Raises InputError, which names `name` and the line, when `text` is not YAML.
    """
    lines: dict[KeyPath, int] = {}
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            tree = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
        if node is not None:
            _collect_lines(node, (), lines)
    except (yaml.MarkedYAMLError, yaml.reader.ReaderError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}, line {mark.line + 1}" if mark else name
        raise InputError(f"{where}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
    except RecursionError:
        raise InputError(f"{name}: not valid YAML: nested too deeply, or in itself") from None
    return tree, lines


def _collect_lines(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            lines[here] = key.start_mark.line + 1
            _collect_lines(value, here, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            here = (*path, str(index))
            lines[here] = value.start_mark.line + 1
            _collect_lines(value, here, lines)


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (`prefix` and dotted key, value) of everything in `tree` but non-empty mappings."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def read(path: Path) -> tuple[Any, dict[KeyPath, int]]:
    """Parse the file at `path`; see `parse`. Raises InputError when it cannot be read or is not UTF-8."""
    return parse(read_text(path), str(path))


def read_text(path: Path) -> str:
    """Return the text of the file at `path`. Raises InputError when it cannot be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start} is {error.object[error.start]:#04x})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None

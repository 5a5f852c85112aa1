"""YAML as DVC reads it: version 1.2 scalars.

`dvc exp run -S train.lr=3e-5` writes `3e-05`, which PyYAML's own loader (YAML 1.1) returns as text; it also turns
`yes`, `on`, `0o14` and `1:30` into what nobody meant. This loader resolves plain scalars by the core schema of
YAML 1.2.2, section 10.3.2, and remembers on which line each key stands.

A value must be the same to the stage, which reads it here, and to DVC, which records it in dvc.lock. So `parse` refuses
what its reader, ruamel.yaml, takes for another value than the schema does (1_000, 0b11, -0x1f, dates, keys like 1.50),
and whatever could change what a scalar means or how large the tree is: directives, tags, anchors and aliases.
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
DEPTH = 100  # mappings and lists within each other
DIGITS = 100  # of a whole number
OPENED = 2000  # brackets in a file that libyaml may read: it has no bound of its own, and ends the process

# Plain scalars that ruamel.yaml 0.19 (resolver.py, version 1.2) takes for a number, a date, a merge or a default value.
_OTHERWISE = re.compile(
    r"(?=[-+.0-9=<])(?:[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?[0-9_]+|[-+]?0x[0-9a-fA-F_]+"
    r"|[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?"
    r"(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?|=|<<)"
)
_BREAKS = re.compile("[\x85\u2028\u2029]")  # line breaks to PyYAML, text to ruamel.yaml
_SLOW = re.compile(r"[&*!%\x85\u2028\u2029]|(?:[-?] ){50}")  # what `parse` might refuse


class _Refused(yaml.MarkedYAMLError):
    """YAML that is valid and not taken."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(None, None, problem, mark)


class _Loader(yaml.SafeLoader):
    """SafeLoader for the core schema of YAML 1.2: no other tags, keys that are text as written, each given once."""

    yaml_constructors: ClassVar[dict[Any, Any]] = {
        tag: construct
        for tag, construct in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.removeprefix(TAG) in ("null", "bool", "str", "seq", "map")
    }

    depth = 0

    def process_directives(self) -> Any:
        if self.check_token(yaml.DirectiveToken):
            token: yaml.Token = self.peek_token()  # type: ignore[no-untyped-call]
            raise _Refused("a directive (%YAML, %TAG) would change what values mean: leave it out", token.start_mark)
        return super().process_directives()  # type: ignore[no-untyped-call]

    def scan_plain(self) -> Any:
        """Take `?` within a word in [] and {} as text: DVC writes a regular expression so."""
        if not self.flow_level:
            return super().scan_plain()
        found = self.peek
        self.peek = lambda index=0: found(index).replace("?", "x")  # type: ignore[method-assign]
        try:
            return super().scan_plain()
        finally:
            del self.peek

    def check_value(self) -> bool:
        if self.flow_level and self.peek(1) in ",[]{}":
            raise _Refused("a colon before , [ ] { or }: put a blank behind it, or the text in quotes", self.get_mark())
        return bool(super().check_value())

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _Refused(f"the alias *{event.anchor}: write the value itself", event.start_mark)
        if event.anchor is not None:
            raise _Refused(f"the anchor &{event.anchor}: write the value wherever it is wanted", event.start_mark)
        if event.tag is not None:
            raise _Refused(f"the tag {event.tag}: write a number in plain digits, text in quotes", event.start_mark)
        if self.depth == DEPTH:
            raise _Refused(f"nested more than {DEPTH} deep", event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

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
    if len(text) > DIGITS:
        raise _Refused(f"a number of {len(text):,} digits", node.start_mark)
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
    if _SLOW.search(text) or text.count("[") + text.count("{") > OPENED:
        return parse(text, name)[0]
    try:
        return yaml.load(text, _Quick)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{name}: not valid YAML: {getattr(error, 'problem', None) or error}") from None


def parse(text: str, name: str) -> tuple[Any, dict[KeyPath, int]]:
    """Return the tree that `text` holds and the line (from 1) of every key path in it.

    Raises InputError, which names `name`, the line and the key, when `text` is not YAML, or DVC may read it otherwise.
    """
    lines: dict[KeyPath, int] = {}
    if (separator := _BREAKS.search(text)) is not None:
        line = text.count("\n", 0, separator.start()) + 1
        code = ord(separator[0])
        raise InputError(f'{name}, line {line}: the line separator U+{code:04X}: write it as "\\u{code:04x}"')
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                _collect_lines(node, (), lines, name)
            tree = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except (yaml.MarkedYAMLError, yaml.reader.ReaderError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}, line {mark.line + 1}" if mark else name
        kind = "" if isinstance(error, _Refused) else "not valid YAML: "
        raise InputError(f"{where}: {kind}{getattr(error, 'problem', None) or error}") from None
    return tree, lines


def _collect_lines(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], name: str) -> None:
    """Put the line of every key path below `node` into `lines`; raise InputError for what DVC reads otherwise."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            lines[here] = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and _is_ambiguous_key(key):
                raise InputError(
                    f"{name}, line {lines[here]}: {'.'.join(here)}: write this key in quotes: '{key.value}'"
                )
            _collect_lines(value, here, lines, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            here = (*path, str(index))
            lines[here] = value.start_mark.line + 1
            _collect_lines(value, here, lines, name)
    elif _is_ambiguous(node):
        where = f"{name}, line {node.start_mark.line + 1}: {'.'.join(path)}".removesuffix(": ")
        raise InputError(
            f"{where}: {node.value} is text in YAML 1.2, and DVC reads something else: "
            "write a number in plain digits, text in quotes"
        )


def _is_ambiguous(node: Any) -> bool:
    """Tell whether a scalar that is text here is something else to DVC."""
    return node.tag == f"{TAG}str" and node.style is None and _OTHERWISE.fullmatch(node.value) is not None


def _is_ambiguous_key(key: yaml.ScalarNode) -> bool:
    """Tell whether DVC records a key, which is text here, as anything but what is written."""
    if key.style is not None or key.tag == f"{TAG}str":
        return _is_ambiguous(key)
    return key.tag != f"{TAG}int" or re.fullmatch("0|-?[1-9][0-9]*", key.value) is None


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

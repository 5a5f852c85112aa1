"""What is searched: keys of params.yaml, and for each the values it may take.

train.lr=log(1e-5, 1e-3)        a number, evenly on the logarithmic scale
train.warmup=uniform(0, 0.3)    a number, evenly
train.epochs=int(1, 4)          a whole number
train.batch_size=8,16,32        one of these, as `dvc exp run --queue -S` takes them
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stages.core import yaml12
from stages.core.errors import InputError, nearest

DIGITS = 4  # significant digits of a number that is suggested: a command that can be read and typed
_KINDS = ("log", "uniform", "int")
_CALL = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
Check = Callable[[Any, str], None]  # raises InputError for a tree of params that is not valid; its label


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    kind: Literal["log", "uniform", "int"]
    low: float
    high: float

    def rounded(self, value: float) -> float:
        """Return `value` with DIGITS significant digits, still within the range."""
        return value if self.kind == "int" else min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)

    def ends(self) -> list[Any]:
        """Return the values that stand for all in a check."""
        return [self.low, self.high]

    def __str__(self) -> str:
        return f"{self.kind}({json.dumps(self.low)}, {json.dumps(self.high)})"


@dataclass(frozen=True)
class Choice:
    """One of several values: numbers, words, booleans or null."""

    values: tuple[Any, ...]

    def ends(self) -> list[Any]:
        """Return the values that stand for all in a check."""
        return list(self.values)

    def __str__(self) -> str:
        return ",".join(json.dumps(value, ensure_ascii=False) for value in self.values)


Space = dict[str, Range | Choice]


def of_options(options: Iterable[str]) -> Space:
    """Return what options `KEY=VALUES` ask for. Raises InputError for one that is not as the module tells."""
    found: Space = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or not key.strip():
            raise InputError(f"-S: found {option!r}, wanted KEY=log(LOW, HIGH), uniform(…), int(…) or KEY=A,B,C")
        _add(found, key.strip(), _dimension(text.strip(), f"-S {option}"))
    return found


def of_file(tree: Any, name: str) -> Space:
    """Return what the YAML file called `name` asks for: {key: values}, values as text or a list. Raises InputError."""
    if not isinstance(tree, dict) or not tree:
        raise InputError(f"{name}: wanted lines `KEY: log(LOW, HIGH)` or `KEY: [A, B, C]`")
    found: Space = {}
    for key, value in tree.items():
        where = f"{name}: {key}"
        _add(found, key, _choice(value, where) if isinstance(value, list) else _dimension(str(value), where))
    return found


def _add(space: Space, key: str, dimension: Range | Choice) -> None:
    if key in space:
        raise InputError(f"{key}: given twice")
    space[key] = dimension


def _dimension(text: str, where: str) -> Range | Choice:
    call = _CALL.fullmatch(text)
    if call is None:
        return _choice(yaml12.parse(f"[{text}]", where)[0], where)
    kind, inner = call.groups()
    if kind not in _KINDS:
        raise InputError(f"{where}: unknown kind {kind!r}{nearest(kind, _KINDS)}")
    ends = yaml12.parse(f"[{inner}]", where)[0]
    if len(ends) != 2 or not all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends):
        raise InputError(f"{where}: wanted two numbers, {kind}(LOW, HIGH)")
    low, high = ends
    if not low < high or (kind == "log" and low <= 0):
        raise InputError(f"{where}: wanted LOW < HIGH{', both above 0' if kind == 'log' else ''}")
    if kind == "int":
        if not (isinstance(low, int) and isinstance(high, int)):
            raise InputError(f"{where}: wanted whole numbers")
        return Range("int", low, high)
    return Range("log" if kind == "log" else "uniform", float(low), float(high))


def _choice(values: Sequence[Any], where: str) -> Choice:
    if any(isinstance(value, dict | list) for value in values):
        raise InputError(f"{where}: wanted numbers, words, true, false or null; a mapping is searched by its keys")
    if any(isinstance(value, str) and set(value) & set("\\'\"") for value in values):
        raise InputError(f"{where}: wanted words without quotes and backslashes, which DVC's -S alters")
    if len(values) < 2 or len({json.dumps(value) for value in values}) < len(values):
        raise InputError(f"{where}: wanted at least two values, each once")
    return Choice(tuple(values))


def check(space: Space, tree: Any, searchable: Sequence[str], fixed: Sequence[str], valid: Check) -> None:
    """Refuse a space that some trial could not run with, or whose trials could not be compared. Raises InputError.

    `searchable` are the keys of the stages that learn, `fixed` those that decide which rows are for validation or come
    after it. Each value is tried alone in `tree`, the params as they stand; together they are checked trial by trial.
    """
    for key, dimension in space.items():
        if any(_within(key, one) for one in fixed):
            raise InputError(
                f"{key}: read by a stage other than tokenize and finetune, so it would change the validation rows, by "
                f"which trials are compared, or nothing they can see; wanted a key of {', '.join(searchable)}"
            )
        for value in dimension.ends():
            valid(placed(tree, {key: value}), f"{key}={json.dumps(value, ensure_ascii=False)}")


def _within(key: str, section: str) -> bool:
    return key == section or key.startswith(f"{section}.")


def placed(tree: Any, values: Mapping[str, Any]) -> Any:
    """Return a copy of the params `tree` with each `values` at its dotted key. Raises InputError where none can be."""
    made = copy.deepcopy(tree)
    for key, value in values.items():
        *sections, name = key.split(".")
        node = made
        for depth, section in enumerate(sections):
            if not isinstance(node.get(section), dict):
                there = ".".join(sections[: depth + 1])
                known = nearest(section, [k for k, v in node.items() if isinstance(v, dict)])
                raise InputError(f"{key}: params.yaml has no section {there}{known}")
            node = node[section]
        node[name] = value
    return made


def options(tree: Any, values: Mapping[str, Any]) -> list[str]:
    """Return the words by which `dvc exp run` sets `values`: `-S KEY=VALUE`, with a plus before a new key."""
    return [
        word
        for key, value in values.items()
        for word in ("-S", f"{'' if _there(tree, key) else '+'}{key}={_scalar(value)}")
    ]


def _there(tree: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True


def _scalar(value: Any) -> str:
    """Return a value as DVC's option takes it: words stay bare where they can, so that they are read as words."""
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z_][\w./-]*", value):
        return f"'{value}'"
    if isinstance(value, str) and value.lower() in ("null", "true", "false", "nan", "inf"):
        return f"'{value}'"
    return value if isinstance(value, str) else json.dumps(value)

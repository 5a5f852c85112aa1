"""Which runs of the ledger are shown, in which order, with which columns."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stages.core import yaml12
from stages.core.errors import InputError, nearest
from stages.ledger.runs import Ledger, Run
from stages.repro import digests

FIXED = ("name", "commit", "generator", "data", "triple", "repeat", "note")
_USUAL = ("evaluate.accuracy", "evaluate.macro_f1", "evaluate.log_loss", "finetune.validation_macro_f1")
FETCHED = ("data.source.", "model.source.")
MOST_PARAMS = 8  # columns of params that are shown unasked
_SHORT = 8  # digits of a digest
_CONDITION = re.compile(r"([^=!<>]+?)\s*(<=|>=|!=|=|<|>)\s*(.*)", re.DOTALL)
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A run and what can be shown of it."""

    run: Run
    values: dict[str, Any]  # FIXED, environment.*, params and metrics by their keys; a run need not have every key


def rows(found: Ledger) -> list[Row]:
    """Return a row for each run, in their order."""
    verdicts = {id(run): repeat.verdict for repeat in found.repeats for run in repeat.runs}
    table = []
    for run in found.runs:
        fixed = {
            "name": ", ".join(run.names) or ("" if run.commits[0] else run.name),
            "commit": run.commits[0][:7],
            "generator": digests.of_value(run.record.code)[:_SHORT],
            "data": digests.of_value(run.record.data)[:_SHORT],
            "triple": run.record.triple[:_SHORT],
            "repeat": verdicts.get(id(run), ""),
            "note": "; ".join((*run.record.faults, *run.record.notes)),
        }
        environment = {f"environment.{key}": value for key, value in yaml12.leaves(run.environment)}
        table.append(Row(run, environment | run.record.metrics | run.record.parameters | fixed))
    return table


def keys(table: Sequence[Row]) -> list[str]:
    """Return every key that some row has, FIXED first, the others sorted."""
    return [*FIXED, *sorted({key for row in table for key in row.values} - set(FIXED))]


def known(key: str, among: Sequence[str], option: str) -> str:
    """Return `key`. Raises InputError with the nearest when it is not `among`."""
    if key not in among:
        raise InputError(f"{option}: no run has {key!r}{nearest(key, among)}")
    return key


def where(table: Sequence[Row], conditions: Sequence[str], among: Sequence[str]) -> list[Row]:
    """Return the rows that meet all conditions `KEY=VALUE` (=, !=, <, <=, >, >=), each value one of YAML 1.2.

    A row without the key meets != alone; null is neither above nor below anything. Raises InputError for what is no
    condition, an unknown key, and an order between values that have none.
    """
    for condition in conditions:
        match = _CONDITION.fullmatch(condition)
        if match is None:
            raise InputError(f"--where: found {condition!r}, wanted KEY=VALUE, or !=, <, <=, >, >= in place of =")
        key, sign, text = match.groups()
        known(key, among, "--where")
        value = yaml12.parse(text, f"--where {condition}")[0]
        table = [row for row in table if _meets(row, key, sign, value, condition)]
    return list(table)


def _meets(row: Row, key: str, sign: str, wanted: Any, condition: str) -> bool:
    if key not in row.values:
        return sign == "!="
    found = row.values[key]
    if key in FIXED and not isinstance(wanted, str):
        wanted = condition.partition(sign)[2].strip()  # a digest of digits alone is still text
    if sign in ("=", "!="):
        return _TESTS[sign](rank(found), rank(wanted))
    if found is None:
        return False
    if rank(found)[0] != rank(wanted)[0] or rank(found)[0] > 1:
        raise InputError(f"--where {condition}: {key} is {_json(found)}, which has no order with {_json(wanted)}")
    return _TESTS[sign](found, wanted)


def rank(value: Any) -> tuple[int, Any]:
    """Return a key by which values of all types can be sorted: numbers, then text, then the rest as JSON."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0, value
    return (1, value) if isinstance(value, str) else (2, _json(value))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def ordered(table: Sequence[Row], key: str, among: Sequence[str]) -> list[Row]:
    """Return the rows by `key`, or `-key` for the largest first; rows without it, or with null, come last."""
    name = known(key.removeprefix("-"), among, "--sort")
    have = [row for row in table if row.values.get(name) is not None]
    rest = [row for row in table if row.values.get(name) is None]
    return sorted(have, key=lambda row: rank(row.values[name]), reverse=key.startswith("-")) + rest


def columns(table: Sequence[Row], params: Sequence[str]) -> tuple[list[str], int]:
    """Return the columns that are shown unasked, and how many of `params` that differ are not among them.

    They are: name, commit, digests, the params that differ between the rows but for where things are fetched from,
    which the data's digest stands for, headline metrics, and what there is to say on repeats and faults.
    """
    numbers = headline(table)
    said = [key for key in ("repeat", "note") if any(row.values[key] for row in table)]
    differ = [key for key in params if not key.startswith(FETCHED) and _differs(key, table)]
    chosen = ["name", "commit", "generator", "data", *differ[:MOST_PARAMS], *numbers, *said]
    return chosen, max(0, len(differ) - MOST_PARAMS)


def headline(table: Sequence[Row]) -> list[str]:
    """Return the metrics by which the runs are judged, the main one first; the usual ones where no run says."""
    present = {key for row in table for key in row.values}
    judged = (one.key for row in table for one in row.run.record.judged if one.main)
    return list(dict.fromkeys(judged)) or [key for key in _USUAL if key in present]


def _differs(key: str, table: Sequence[Row]) -> bool:
    return len({rank(row.values[key]) if key in row.values else None for row in table}) > 1

"""Runs of one setting taken together: mean and spread over seeds, and what each param changes.

A group holds the runs whose code, data and params are equal, but for the seeds. A triple counts once, however often it
was run: a repeat says nothing new about the spread. Intervals are of 95 %, by Student's t: of a mean, of the mean
difference of runs paired by their seeds, and else of two means by Welch's approximation (Welch 1947,
doi:10.1093/biomet/34.1-2.28).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

from stages.core.errors import InputError, nearest
from stages.ledger.selection import FETCHED, Row, headline, rank
from stages.ledger.triple import NEUTRAL
from stages.repro import digests

LEVEL = 0.95
IDENTITY = ("generator", "data")  # digests that tell settings apart, beside the params
_SEEDS = "seed"  # how the keys of seeds begin
_VALIDATION = "finetune.validation_"  # how the training calls the scores of its validation rows
_LESS_IS_BETTER = ("loss", "ece", "rmse", "mae")  # how the names of such metrics end, where no run says more


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation and interval of numbers; of a single one there is a mean alone."""

    mean: float
    deviation: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Group:
    """Runs that share the values of some keys."""

    settings: dict[str, Any]  # those keys -> values
    rows: tuple[Row, ...]
    values: tuple[float, ...]  # the metric of each row
    spread: Spread
    best: Row
    mixed: tuple[str, ...]  # other keys, seeds excepted, of which the group has several values


@dataclass(frozen=True)
class Effect:
    """How the metric changes when one key has another value and all others but the seeds are equal."""

    key: str
    base: Any  # the value most runs have
    other: Any
    spread: Spread  # of the metric at `other` minus that at `base`
    pairs: int  # seeds that both have; 0 when they share none and means were compared
    settings: int  # of the other keys, in which both values were run


def metric(asked: str | None, rows: Sequence[Row]) -> str:
    """Return the metric's key: `accuracy` will do for evaluate.accuracy. Raises InputError with the nearest."""
    known = sorted({key for row in rows for key in row.run.record.metrics})
    if asked is None:
        return next(iter([*headline(rows), *known]), "")
    found = [key for key in known if key == asked] or [key for key in known if key.endswith(f".{asked}")]
    if len(found) != 1:
        raise InputError(f"--metric: no metric is called {asked!r}{nearest(asked, found or known)}")
    return found[0]


def usable(rows: Iterable[Row], name: str) -> tuple[list[Row], list[str]]:
    """Return the rows that count, one a triple, and why others do not, a line a reason."""
    kept: dict[str, Row] = {}
    without, faulty, repeats = [], [], []
    for row in rows:
        if row.run.record.faults:
            faulty.append(row.run.name)
        elif name not in row.run.record.metrics:
            without.append(row.run.name)
        elif row.run.record.triple in kept:
            repeats.append(row.run.name)
        else:
            kept[row.run.record.triple] = row
    reasons = ((faulty, "no record of one run"), (without, f"without {name}"), (repeats, "repeats of another"))
    return list(kept.values()), [f"{len(n)} left out, {why}: {_some(n)}" for n, why in reasons if n]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def setting(row: Row) -> dict[str, Any]:
    """Return all that decides a row's result but the seeds: params, and the digests of code and data."""
    params = {
        key: value
        for key, value in row.run.record.parameters.items()
        if not key.startswith((_SEEDS, *FETCHED)) and key not in NEUTRAL
    }
    return params | {key: row.values[key] for key in IDENTITY}


def _seeds(row: Row) -> str:
    return _token([(k, v) for k, v in row.run.record.parameters.items() if k.startswith(_SEEDS)])


def _token(value: Any) -> str:
    return digests.of_value(value)


def differing(rows: Sequence[Row]) -> list[str]:
    """Return the keys of `setting` of which the rows have several values, params first."""
    settings = [setting(row) for row in rows]
    keys = sorted({key for one in settings for key in one}, key=lambda key: (key in IDENTITY, key))
    return [key for key in keys if len({_token(one.get(key)) for one in settings}) > 1]


def grouped(rows: Sequence[Row], name: str, by: Sequence[str] | None) -> list[Group]:
    """Return the groups, the best mean of the metric `name` first: of equal settings, or of equal values of `by`."""
    found: dict[str, list[Row]] = {}
    keys = differing(rows) if by is None else by
    for row in rows:
        own = setting(row)
        found.setdefault(_token([own.get(key, row.values.get(key)) for key in keys]), []).append(row)
    way = sign(name, rows)
    groups = [_group(members, name, keys, way) for members in found.values()]
    return sorted(groups, key=lambda group: group.spread.mean * way, reverse=True)


def _group(rows: Sequence[Row], name: str, keys: Sequence[str], way: int) -> Group:
    values = tuple(row.run.record.metrics[name] for row in rows)
    own = setting(rows[0])
    return Group(
        settings={key: own.get(key, rows[0].values.get(key)) for key in keys},
        rows=tuple(rows),
        values=values,
        spread=spread(values),
        best=max(rows, key=lambda row: row.run.record.metrics[name] * way),
        mixed=tuple(key for key in differing(rows) if key not in keys),
    )


def sign(name: str, rows: Iterable[Row]) -> int:
    """Return 1 for a metric of which more is better, -1 for the others: as the runs' own evaluate says, if it does."""
    scored = name.replace(_VALIDATION, "evaluate.")
    for row in rows:
        for one in row.run.record.judged:
            if one.key == scored:
                return 1 if one.higher else -1
    return -1 if name.endswith(_LESS_IS_BETTER) else 1


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of at least one number."""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return Spread(mean, None, None, None)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    half = _t(len(values) - 1) * deviation / math.sqrt(len(values))
    return Spread(mean, deviation, mean - half, mean + half)


def _t(freedom: float) -> float:
    return float(stats.t.ppf((1 + LEVEL) / 2, freedom))


def effects(rows: Sequence[Row], name: str, keys: Iterable[str]) -> list[Effect]:
    """Return the effect on the metric `name` of every other value of each key, where it can be told from the others."""
    return [effect for key in keys for effect in _effects(rows, name, key)]


def _effects(rows: Sequence[Row], name: str, key: str) -> list[Effect]:
    cells: dict[str, dict[str, dict[str, float]]] = {}  # value -> the other keys -> seeds -> metric
    values: dict[str, Any] = {}
    for row in rows:
        own = setting(row)
        value = own.pop(key, None)
        values[_token(value)] = value
        cells.setdefault(_token(value), {}).setdefault(_token(own), {})[_seeds(row)] = row.run.record.metrics[name]
    order = sorted(values, key=lambda token: rank(values[token]))
    base = max(order, key=lambda token: sum(map(len, cells[token].values())))  # of equals the first
    found = []
    for other in order:
        shared = sorted(cells[base].keys() & cells[other].keys())
        if other != base and shared:
            difference, pairs = _difference([(cells[base][one], cells[other][one]) for one in shared])
            found.append(Effect(key, values[base], values[other], difference, pairs, len(shared)))
    return found


def _difference(settings: Sequence[tuple[Mapping[str, float], Mapping[str, float]]]) -> tuple[Spread, int]:
    """Return the spread of the second minus the first, and the seeds that paired them; each maps seeds to metrics."""
    by_seed: dict[str, list[float]] = {}
    for first, second in settings:
        for seed in first.keys() & second.keys():
            by_seed.setdefault(seed, []).append(second[seed] - first[seed])
    if by_seed:
        return spread([math.fsum(by_seed[seed]) / len(by_seed[seed]) for seed in sorted(by_seed)]), len(by_seed)
    return _welch([(list(first.values()), list(second.values())) for first, second in settings]), 0


def _welch(settings: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Spread:
    """Return the mean over settings of the differences of means; without an interval where a side has one run."""
    sides = [(spread(first), spread(second), len(first), len(second)) for first, second in settings]
    mean = math.fsum(b.mean - a.mean for a, b, _, _ in sides) / len(sides)
    terms = []  # variance of each mean, and its degrees of freedom
    for a, b, n, m in sides:
        if a.deviation is None or b.deviation is None:
            return Spread(mean, None, None, None)
        terms += [(a.deviation**2 / n, n - 1), (b.deviation**2 / m, m - 1)]
    variance = math.fsum(v for v, _ in terms)
    if variance == 0:
        return Spread(mean, None, mean, mean)
    half = _t(variance**2 / math.fsum(v**2 / f for v, f in terms)) * math.sqrt(variance) / len(sides)
    return Spread(mean, None, mean - half, mean + half)

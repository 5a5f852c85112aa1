"""Groups of runs and effects of params as text: table, CSV, Markdown, JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from stages.core.files import canonical_json
from stages.core.shown import cut, markdown_table, plain, terminal
from stages.ledger.groups import LEVEL, Effect, Group, Spread, sign
from stages.ledger.rendering import WIDEST, aligned, csv_text
from stages.ledger.selection import MOST_PARAMS

_NUMBERS = ("n", "mean", "sd", "low", "high", "best")


class Form(Protocol):
    """Which form is asked for; at most one is true."""

    csv: bool
    md: bool
    json: bool


def label(group: Group) -> str:
    """Return what a group is called in a line."""
    return ", ".join(f"{key}={_short(plain(value))}" for key, value in group.settings.items()) or "all runs"


def told(groups: Sequence[Group], effects: Sequence[Effect], name: str, form: Form) -> str:
    """Return the groups by the metric `name`, and the effects on it, in the form asked for (a table if in none)."""
    if form.json:
        return _json(groups, effects, name)
    keys = list(groups[0].settings)
    if form.csv:
        lines = [[*g.settings.values(), *map(_exact, _numbers(g, name)), g.best.run.name] for g in groups]
        return csv_text([[*keys, *_NUMBERS, "best_run"], *lines])
    draw = markdown_table if form.md else aligned
    shown, more = keys[-MOST_PARAMS:], max(0, len(keys) - MOST_PARAMS)
    header = [*shown, "n", "mean", "sd", f"{LEVEL:.0%} interval", "best", "best run"]
    cells = [[*map(_short, _settings(g)[more:]), *_shown(g, name), _short(g.best.run.name)] for g in groups]
    better = "more" if _sign(groups, name) > 0 else "less"
    text = f"{name}, {better} is better; groups of equal {terminal(', '.join(shown)) if shown else 'settings'}"
    text += f" and {more} more (--by or --where picks, --json shows all)\n\n" if more else "\n\n"
    text += draw(header, cells, [False] * len(shown) + [True, True, True, False, True, False])
    text += _mixed(groups)
    if effects:
        text += f"\nwhat changes {name}, all else equal\n\n"
        head = ["param", "from", "to", "difference", f"{LEVEL:.0%} interval", "from what"]
        text += draw(head, [_effect(effect) for effect in effects], [False] * 3 + [True] + [False] * 2)
    return text


def _sign(groups: Sequence[Group], name: str) -> int:
    return sign(name, (row for group in groups for row in group.rows))


def _mixed(groups: Sequence[Group]) -> str:
    keys = sorted({key for group in groups for key in group.mixed})
    return f"\nwithin groups these differ too: {terminal(', '.join(keys))}\n" if keys else ""


def _settings(group: Group) -> list[str]:
    return [plain(value) for value in group.settings.values()]


def _short(text: str) -> str:
    return cut(text, WIDEST)


def _numbers(group: Group, name: str) -> list[float | None]:
    s = group.spread
    return [len(group.rows), s.mean, s.deviation, s.low, s.high, group.best.run.record.metrics[name]]


def _exact(value: float | None) -> float | str:
    return "" if value is None else value


def _shown(group: Group, name: str) -> list[str]:
    n, mean, deviation, _, _, best = _numbers(group, name)
    spread = "" if deviation is None else f"{deviation:.4f}"
    return [str(n), f"{mean:.4f}", spread, _interval(group.spread), f"{best:.4f}"]


def _interval(spread: Spread, sign: str = "") -> str:
    if spread.low is None or spread.high is None:
        return ""
    return f"[{spread.low:{sign}.4f}, {spread.high:{sign}.4f}]"


def _effect(effect: Effect) -> list[str]:
    source = f"{effect.pairs} seeds paired" if effect.pairs else "means, no seed in common"
    source += f", {effect.settings} settings" if effect.settings > 1 else ""
    values = [_short(plain(value)) for value in (effect.base, effect.other)]
    return [effect.key, *values, f"{effect.spread.mean:+.4f}", _interval(effect.spread, "+"), source]


def _json(groups: Sequence[Group], effects: Sequence[Effect], name: str) -> str:
    return canonical_json(
        {
            "metric": name,
            "better": "higher" if _sign(groups, name) > 0 else "lower",
            "level": LEVEL,
            "groups": [_group(group) for group in groups],
            "effects": [
                {"key": e.key, "from": e.base, "to": e.other, "pairs": e.pairs, "settings": e.settings,
                 **_spread(e.spread)}
                for e in effects
            ],
        }
    )  # fmt: skip


def _group(group: Group) -> dict[str, Any]:
    return {
        "settings": group.settings,
        "n": len(group.rows),
        **_spread(group.spread),
        "runs": [
            {"name": row.run.name, "commit": row.run.commits[0] or None, "value": value}
            for row, value in zip(group.rows, group.values, strict=True)
        ],
        "best": group.best.run.name,
        "differ_within": list(group.mixed),
    }


def _spread(spread: Spread) -> dict[str, float | None]:
    return {
        "mean": spread.mean, "standard_deviation": spread.deviation, "low": spread.low, "high": spread.high,
    }  # fmt: skip

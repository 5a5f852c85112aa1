"""The page that says what was tried and what held."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.attacks.place import Attack
from benchmarks.attacks.running import Result
from stages.core.shown import cut, markdown, markdown_table

SHOWN = 2  # different ends of the variants that held, told in a row
HEAD = ("attack", "what must happen", "tried", "held", "what happened")


def page(targets: Mapping[str, Sequence[Attack]], results: Iterable[Result], commit: str) -> str:
    """Return the page as Markdown."""
    found: dict[tuple[str, str], list[Result]] = {}
    for one in results:
        found.setdefault((one.target, one.attack), []).append(one)
    every = [one for group in found.values() for one in group]
    failed = [one for one in every if not one.held]
    kinds = sum(map(len, targets.values()))
    planned = sum(len(attack.variants) for attacks in targets.values() for attack in attacks)
    parts = [
        "# Attacks\n",
        f"{len(every):,} variants of {len(found)} attacks (of {planned:,} and {kinds}) were tried "
        f"on commit {commit[:12]}: "
        f"**{len(every) - len(failed):,} held, {len(failed):,} did not hold.**\n",
        "`make attack` tries them all again and writes this page. What must happen was written beside each attack "
        "before it ran (benchmarks/attacks/). An attack that ends otherwise, takes too long or takes too much memory "
        "did not hold.\n",
    ]
    for target, attacks in targets.items():
        rows = [_row(attack, found[target, attack.name]) for attack in attacks if (target, attack.name) in found]
        parts += [f"## {markdown(target.capitalize())}\n", markdown_table(HEAD, rows)]
    parts.append("## What did not hold\n")
    rows = [(f"{one.target}: {one.attack}", one.variant, one.happened) for one in failed]
    parts.append(markdown_table(("attack", "variant", "what happened"), rows) if rows else "Nothing: all held.\n")
    return "\n".join(parts)


def _row(attack: Attack, results: Sequence[Result]) -> tuple[str, ...]:
    held = [one for one in results if one.held]
    ends: dict[str, str] = {}
    for one in held:
        ends.setdefault(re.sub(r"['\"`].*|\d+", "", one.happened)[:40], one.happened)
    shown = [cut(text, 140) for text in list(ends.values())[:SHOWN]]
    more = [f"and {len(ends) - SHOWN} other ends like these"] if len(ends) > SHOWN else []
    return attack.name, attack.must, str(len(results)), str(len(held)), "; ".join([*shown, *more]) or "did not hold"

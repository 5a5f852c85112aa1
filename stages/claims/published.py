"""claims.yaml: published results, and what is to be shown before one of them is called reproduced."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from stages.core import yaml12
from stages.core.errors import InputError, nearest
from stages.core.params import Section

CLAIMS = Path("claims.yaml")
LEAST = 5  # seeds
Text = Annotated[str, Field(min_length=1)]


class Spread(Section):
    """What is published of the runs behind a value."""

    sd: float = Field(gt=0, description="standard deviation over runs")
    n: int = Field(ge=2, description="runs")


class Gap(Section):
    """By how much our model is expected to miss the published value because it is another model."""

    by: float = Field(description="below 0: a lower score is expected, and accepted, down to this")
    reason: Text


class Source(Section):
    """Where the value is published."""

    title: Text
    arxiv: Text | None = None
    place: Text = Field(description="table, row, column")
    quoted: Text = Field(description="the value as it is printed there")


class Claim(Section):
    """One published value and the test it is put to."""

    id: str = Field(pattern="^[a-z0-9][a-z0-9-]*$")
    recipe: Text = Field(description="of recipes/, which makes the run that stands against the value")
    metric: Text = Field(description="key of metrics/evaluate.json")
    split: Literal["test"] = Field(description="of the data; what metrics/evaluate.json scores")
    published: float
    spread: Spread | None
    gap: Gap | None
    margin: float = Field(gt=0, description="on both sides of what is expected, absolute")
    reason: Text = Field(description="for the margin")
    seeds: int = Field(ge=LEAST, description="runs of ours")
    model: Text = Field(description="the published model, and ours")
    source: Source

    @property
    def accepted(self) -> tuple[float, float]:
        """Return the values that count as the published one: from the expected gap to it, and the margin around."""
        gap = self.gap.by if self.gap else 0.0
        low, high = self.published + min(gap, 0.0) - self.margin, self.published + max(gap, 0.0) + self.margin
        return round(low, 9), round(high, 9)


_INNER: dict[str, type[Section]] = {"spread": Spread, "gap": Gap, "source": Source}


def parse(text: str, name: str = str(CLAIMS)) -> list[Claim]:
    """Return the claims of a file `name` that holds `text`. Raises InputError naming line, claim, key and the fault."""
    tree, lines = yaml12.parse(text, name)
    entries = tree.get("claims") if isinstance(tree, dict) else None
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{name}: found no list `claims`")
    for key in tree:
        if key != "claims":
            raise InputError(f"{name}, line {lines[(key,)]}: {key}: unknown key{nearest(key, ['claims'])}")
    problems: list[str] = []
    found: dict[str, Claim] = {}
    for index, entry in enumerate(entries):
        at = ("claims", str(index))
        own = entry.get("id") if isinstance(entry, dict) else None
        if isinstance(own, str) and own in found:
            problems.append(f"{name}, line {lines[at]}: a second claim of the id {own!r}")
        try:
            claim = Claim.model_validate_json(json.dumps(entry))
            found.setdefault(claim.id, claim)
        except ValidationError as error:
            title = own if isinstance(own, str) else f"claim {index + 1}"
            for problem in error.errors(include_url=False):
                key = tuple(map(str, problem["loc"]))
                line = next(lines[at + key[:n]] for n in range(len(key), -1, -1) if at + key[:n] in lines)
                problems.append(f"{name}, line {line}: {_explain(problem, title)}")
    if problems:
        raise InputError("\n".join(problems))
    return list(found.values())


def _explain(problem: Any, title: str) -> str:
    where = ".".join([title, *map(str, problem["loc"])])
    if problem["type"] == "missing":
        return f"{where}: missing"
    if problem["type"] == "extra_forbidden":
        *above, name = problem["loc"]
        model = _INNER[above[-1]] if above else Claim
        return f"{where}: unknown key{nearest(str(name), model.model_fields)}"
    shown = json.dumps(problem["input"], ensure_ascii=False)[:80]
    return f"{where}: found {shown}, wanted {problem['msg'].removeprefix('Input should be ')}"


def chosen(claims: list[Claim], ids: Sequence[str]) -> list[Claim]:
    """Return the claims of these ids, all when there are none. Raises InputError for an id that no claim has."""
    known = {claim.id: claim for claim in claims}
    for name in ids:
        if name not in known:
            raise InputError(f"{name}: no such claim in {CLAIMS}{nearest(name, known)}")
    return [known[name] for name in dict.fromkeys(ids)] or claims

"""claims.yaml: what is refused, and what the project's own says."""

from __future__ import annotations

import re

import pytest

from stages.claims.published import chosen, parse
from stages.core.errors import InputError
from tests.pipeline.closure import ROOT

CLAIM = """claims:
  - id: one
    recipe: r8
    metric: accuracy
    split: test
    published: 0.978
    spread: {sd: 0.002, n: 5}
    gap: {by: -0.02, reason: smaller}
    margin: 0.01
    reason: half an interval
    seeds: 5
    model: theirs, and ours
    source: {title: A paper, place: table 2, quoted: "97.8"}
"""


def test_the_project_s_own_claims_say_what_gap_they_expect_and_why() -> None:
    found = {claim.id: claim for claim in parse((ROOT / "claims.yaml").read_text())}
    assert sorted(found) == ["r52-bert-base", "r8-bert-base"]
    assert found["r8-bert-base"].accepted == (0.948, 0.988)
    assert found["r52-bert-base"].accepted == (0.935, 0.974)
    assert all(claim.gap and claim.gap.reason and claim.seeds >= 5 for claim in found.values())
    assert all((ROOT / f"recipes/{claim.recipe}.yaml").is_file() for claim in found.values())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    margin: 0.01\n", "", "line 2: one.margin: missing"),
        ("    reason: half an interval\n", "", "line 2: one.reason: missing"),
        ("half an interval", '""', 'line 10: one.reason: found "", wanted String should have at least 1 character'),
        ("margin", "margn", "line 9: one.margn: unknown key (nearest: 'margin'"),
        ("{by:", "{bye:", "line 8: one.gap.bye: unknown key (nearest: 'by')"),
        ("margin: 0.01", "margin: 0", "line 9: one.margin: found 0, wanted greater than 0"),
        ("0.978", "high", 'line 6: one.published: found "high", wanted a valid number'),
        ("seeds: 5", "seeds: 3", "line 11: one.seeds: found 3, wanted greater than or equal to 5"),
        ("sd: 0.002", "sd: -1", "line 7: one.spread.sd: found -1, wanted greater than 0"),
        ("split: test", "split: train", "line 5: one.split: found \"train\", wanted 'test'"),
        ("id: one", "id: One claim", 'line 2: One claim.id: found "One claim", wanted String should match pattern'),
        ("claims:", "claim:", "found no list `claims`"),
        ("claims:", "clams: 1\nclaims:", "line 1: clams: unknown key (nearest: 'claims')"),
    ],
)
def test_what_is_no_claim_is_refused_at_its_line(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        parse(CLAIM.replace(old, new))


def test_two_claims_of_one_id_are_refused() -> None:
    with pytest.raises(InputError, match=r"line 14: a second claim of the id 'one'$"):
        parse(CLAIM + CLAIM.removeprefix("claims:\n"))


def test_claims_are_chosen_by_id() -> None:
    claims = parse(CLAIM + CLAIM.removeprefix("claims:\n").replace("id: one", "id: two"))
    assert [claim.id for claim in chosen(claims, [])] == ["one", "two"]
    assert [claim.id for claim in chosen(claims, ["two", "two"])] == ["two"]
    with pytest.raises(InputError, match=r"^tow: no such claim in claims.yaml \(nearest: 'two'\)$"):
        chosen(claims, ["tow"])

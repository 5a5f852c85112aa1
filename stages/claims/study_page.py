"""The variance study as a page and as lines."""

from __future__ import annotations

from collections.abc import Sequence

from stages.claims.strips import Panel, Strip, svg
from stages.claims.study import ALPHA, TOTAL, Spread, Study, spread
from stages.ledger.rendering import aligned
from stages.verification.document import Document

HEAD = ("what varies", "runs", "mean", "standard deviation", "95 % interval", "share of variance", "95 % interval")
NOTES = (
    "One stream's seed varies and the others stay as params.yaml has them; all together vary for the total, as in "
    "Bouthillier et al. 2021 (arXiv:2103.03098). No run and no seed of the total is of another group, so that the two "
    "variances of a share are independent. Intervals hold for normal scores: of a standard deviation by the "
    "chi-square distribution, of a share by the F distribution.",
    "Shares need not add up to 100 %: each is measured around one choice of the other seeds, sources work together, "
    "and few runs leave much to chance, as the intervals say.",
)


def said(values: Sequence[float | None]) -> str:
    """Return one group's outcome in a line."""
    found = spread(range(len(values)), values)
    return f"{len(values)} runs{_crashed(found)}: mean {_number(found.mean)}, sd {_number(found.sd)}"


def table(study: Study) -> str:
    """Return the study as aligned columns."""
    return aligned(HEAD, _rows(study))


def doubts(study: Study) -> tuple[str, ...]:
    """Return which intervals do not hold, in a sentence, or nothing."""
    odd = [(name, one.normality) for name, one in study.groups.items() if one.normality is not None]
    named = ", ".join(f"{name} (p = {p:.2g})" for name, p in odd if p < ALPHA)
    if not named:
        return ()
    return (
        f"Not normal, by Shapiro and Wilk's test at 5 %: {named}. A run or two far off make their spread: their "
        "intervals and shares do not hold.",
    )


def _rows(study: Study) -> list[tuple[str, ...]]:
    return [_row(name, one) for name, one in study.groups.items()]


def _row(name: str, one: Spread) -> tuple[str, ...]:
    measured = (_number(one.mean), _number(one.sd), _ends(one.interval, "{:.5f}"))
    share = ("", "") if name == TOTAL else (_share(one), _ends(one.share_interval, "{:.0%}").replace("%", " %"))
    return (name, f"{len(one.values)}{_crashed(one)}", *measured, *share)


def _crashed(one: Spread) -> str:
    return f" ({one.crashed} crashed)" if one.crashed else ""


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.5f}"


def _share(one: Spread) -> str:
    return "–" if one.share is None else f"{one.share:.0%}".replace("%", " %")


def _ends(ends: list[float] | None, form: str) -> str:
    return "–" if ends is None else f"{form.format(ends[0])} to {form.format(ends[1])}"


def document(study: Study) -> Document:
    """Return the page."""
    recipe = f"recipe {study.recipe}" if study.recipe else "params.yaml"
    runs = len(study.groups[TOTAL].values)
    lead = (
        f"By how much {study.metric} on the test rows spreads over runs of {recipe}, when one source of randomness "
        f"varies alone, and when all do: {runs} runs each.",
        "Above, dots are the scores of runs and the short bar their mean; below, the standard deviation of each group "
        "and its 95 % interval.",
    )
    return Document(
        "Where the spread comes from",
        lead,
        {"Sources": (HEAD, _rows(study))},
        picture(study),
        _spoken(study),
        (*doubts(study), *NOTES),
    )


def picture(study: Study) -> str:
    """Return the scores of all runs, and the standard deviations with their intervals."""
    scores = [
        Strip(name, tuple(value for value in one.values if value is not None), one.mean,
              notes=(f"mean {_number(one.mean)}", f"{len(one.values)} runs{_crashed(one)}"))
        for name, one in study.groups.items()
    ]  # fmt: skip
    spreads = [
        Strip(name, mean=one.sd, interval=(one.interval[0], one.interval[1]) if one.interval else None,
              notes=(f"sd {_number(one.sd)}", *(() if one.share is None else (f"{_share(one)} of the variance",))))
        for name, one in study.groups.items()
    ]  # fmt: skip
    axis = f"standard deviation of {study.metric}"
    return svg([Panel(study.metric, tuple(scores)), Panel(axis, tuple(spreads), zero=True)], _spoken(study))


def _spoken(study: Study) -> str:
    shares = [f"{name} {_share(one)}" for name, one in study.groups.items() if name != TOTAL]
    return f"Shares of the variance of {study.metric}: {', '.join(shares)}"

"""The claims as a page: what was published, what is accepted, what our runs gave."""

from __future__ import annotations

from collections.abc import Sequence

from stages.claims.claiming import Judged, said
from stages.claims.judging import Judgement
from stages.claims.strips import Panel, Strip, svg
from stages.verification.document import Document, Table

HEAD = ("claim", "published", "accepted", "runs", "mean ± sd", "interval", "verdict")
LEAD = (
    "A claim is reproduced when the whole interval of our runs lies within what is accepted, and not reproduced when "
    "it lies wholly outside. Everything else, and too few runs, is inconclusive. Where no spread is published, the "
    "interval is the 95 % prediction interval of one more run; else the 90 % interval of the difference (two one-sided "
    "Welch tests at 5 %). Accepted is all from the published value to the expected gap, and the margin around."
)
PICTURE = (
    "Dots are runs, the short bar their mean, the line the interval, the area what is accepted, red the published."
)


def row(one: Judged) -> tuple[str, ...]:
    """Return the claim's line under HEAD."""
    claim, judgement = one.claim, one.judgement
    crashed = f" ({judgement.crashed} crashed)" if judgement.crashed else ""
    return (
        claim.id, f"{claim.published:g}", "[{:.4f}, {:.4f}]".format(*claim.accepted), f"{judgement.runs}{crashed}",
        _mean(judgement), _interval(judgement), judgement.verdict,
    )  # fmt: skip


def _mean(judgement: Judgement) -> str:
    if judgement.mean is None:
        return "–"
    return f"{judgement.mean:.4f}" + ("" if judgement.sd is None else f" ± {judgement.sd:.4f}")


def _interval(judgement: Judgement) -> str:
    return "[{:.4f}, {:.4f}]".format(*judgement.interval) if judgement.interval else "–"


def document(done: Sequence[Judged]) -> Document:
    """Return the page of all that was judged."""
    tables: dict[str, Table] = {"Verdicts": (HEAD, [row(one) for one in done])}
    notes: list[str] = []
    for one in done:
        claim = one.claim
        rows: list[tuple[str, ...]] = []
        for seed, found in one.found.items():
            where = found.run.environment if found else {}
            rows.append(
                (
                    str(seed),
                    said(found, claim.metric) if found else "not run",
                    ", ".join(f"{name} {value}" if name != "processor" else value for name, value in where.items()),
                )
            )
        tables[f"Runs of {claim.id}"] = (("seed", claim.metric, "made on"), rows)
        arxiv = f" (arXiv:{claim.source.arxiv})" if claim.source.arxiv else ""
        gap = f" Expected gap {claim.gap.by:+g}: {claim.gap.reason}." if claim.gap else ""
        notes.append(
            f"{claim.id}: {one.judgement.reason}. {claim.source.title}{arxiv}, {claim.source.place}: "
            f"{claim.source.quoted}. {claim.model}.{gap} Margin {claim.margin:g}: {claim.reason}."
        )
    return Document("Published results, and ours", (LEAD, PICTURE), tables, picture(done), _spoken(done), tuple(notes))


def picture(done: Sequence[Judged]) -> str:
    """Return the picture of all that was judged, each claim on a scale of its own."""
    return svg([_panel(one) for one in done], _spoken(done))


def _panel(one: Judged) -> Panel:
    scores = (found.run.scores.get(one.claim.metric) for found in one.found.values() if found)
    dots = tuple(score for score in scores if score is not None)
    judgement = one.judgement
    strip = Strip(
        one.claim.id, dots, judgement.mean, judgement.interval, one.claim.accepted, one.claim.published,
        (judgement.verdict, f"{judgement.runs} runs"),
    )  # fmt: skip
    return Panel(one.claim.metric, (strip,))


def _spoken(done: Sequence[Judged]) -> str:
    return "; ".join(f"{one.claim.id}: {one.judgement.verdict}" for one in done)

"""The certificate as a page: Markdown, and HTML that needs nothing but itself."""

from __future__ import annotations

import html
from typing import Any

from stages.verification.certificate import Core

MEANING = {
    "BITWISE": "every output has the same digest",
    "NUMERIC": "weights and scores within the tolerances, every prediction the same",
    "STATISTICAL": "equivalent within the margins over several seeds",
    "INCONCLUSIVE": "too few runs to say; this is no pass",
    "DIFFERENT": "shown to differ",
}
COLOURS = {
    "BITWISE": "#0b6e4f", "NUMERIC": "#27679b", "STATISTICAL": "#5b5ea6", "INCONCLUSIVE": "#8a6d1c",
    "DIFFERENT": "#a4262c",
}  # fmt: skip
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
.grade{font-size:3.5rem;font-weight:700;margin:0}table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid #ccc;padding:.35rem .6rem;text-align:left;vertical-align:top}
code{font-size:.9em;overflow-wrap:anywhere}"""

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def tables(core: Core) -> dict[str, Table]:
    """Return the page's tables by their headings: head and rows, plain text."""
    rows: list[tuple[str, ...]] = []
    for name, environment in core.environments.items():
        asked = ", ".join(f"{key}={value}" for key, value in environment.asked.items()) or "nothing"
        rows.append((name, asked, environment.grade, environment.reason))
    found: dict[str, Table] = {"Environments": (("environment", "changed", "grade", "because"), rows)}
    differ: list[tuple[str, ...]] = [
        (name, what, said) for name, e in core.environments.items() for what, said in findings(e.evidence)
    ]
    if differ:
        found["What differs"] = (("environment", "what", "found"), differ)
    written: list[tuple[str, ...]] = [
        (stage, str(len(paths)), ", ".join(paths)) for stage, paths in core.outputs.items()
    ]
    found["What was compared"] = (("stage", "outputs", "paths"), written)
    return found


def findings(evidence: Any) -> list[tuple[str, str]]:
    """Return what one derivation did otherwise, as (what, in words)."""
    found = []
    if evidence.message is not None:
        found.append((f"stage {evidence.failed_stage} failed", evidence.message))
    if evidence.first_stage is not None:
        where = f" ({evidence.detail})" if evidence.detail else ""
        found.append((f"first at stage {evidence.first_stage}{where}", f"axis: {evidence.axis}"))
    found += [(f"{i.kind} {i.name}", f"{i.derived}, not {i.reference}") for i in evidence.inputs[:12]]
    if len(evidence.inputs) > 12:
        found.append(("further inputs", f"{len(evidence.inputs) - 12} more, in reproduction.json"))
    if (step := evidence.step) is not None:
        found.append((f"trace, first at step {step.step}", f"{step.column} {step.derived}, not {step.reference}"))
    if (w := evidence.weights) is not None and w.tensor is not None:
        found.append(
            (
                "weights",
                f"{w.tensors - w.equal} of {w.tensors} tensors; largest {w.largest:.3g} in {w.tensor}, {w.ulp} ULP",
            )
        )
    if (p := evidence.predictions) is not None:
        found.append(("predictions", f"{p.agreeing} of {p.rows} the same; a probability at most {p.largest:.3g} off"))
    apart = [f"{n} {s.derived} not {s.reference}" for n, s in evidence.scores.items() if s.derived != s.reference]
    if apart:
        found.append(("scores", ", ".join(apart)))
    return found


def summary(core: Core) -> list[str]:
    """Return the sentences below the grade."""
    said = [f"Commit {core.commit}" + (f" with {len(core.edits)} edited files" if core.edits else "") + "."]
    if core.reference == "derived":
        said.append(f"Recipe {core.recipe}: the commit holds no result of it, so a first plain run is the reference.")
    else:
        said.append("The reference is the committed dvc.lock.")
    processor = core.reference_environment.get("processor")
    said.append(f"It was made on: {processor or 'an unknown processor'}.")
    if core.elsewhere is not None:
        said.append(f"Where it may matter (instruction sets, versions): {core.elsewhere}.")
    return said


def markdown(core: Core) -> str:
    """Return the page as Markdown."""
    lines = [f"# {core.grade}", "", f"Reproduction: {MEANING[core.grade]}.", "", *summary(core), ""]
    for title, (head, rows) in tables(core).items():
        lines += [f"## {title}", "", _row(head), _row(("---",) * len(head)), *map(_row, rows), ""]
    lines += ["## What was not compared", "", *(f"- {item}" for item in core.not_compared), ""]
    return "\n".join(lines)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def page(core: Core) -> str:
    """Return the page as HTML without scripts, fonts or pictures from elsewhere."""
    e = html.escape
    parts = [f'<p class="grade" style="color:{COLOURS[core.grade]}">{core.grade}</p>']
    parts.append(f"<p>Reproduction: {MEANING[core.grade]}.</p><p>{e(' '.join(summary(core)))}</p>")
    for title, (head, rows) in tables(core).items():
        body = "".join("<tr>" + "".join(f"<td>{e(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
        names = "".join(f"<th>{e(cell)}</th>" for cell in head)
        parts.append(f"<h2>{title}</h2>\n<table><thead><tr>{names}</tr></thead><tbody>\n{body}</tbody></table>")
    items = "".join(f"<li>{e(item)}</li>" for item in core.not_compared)
    parts.append(f"<h2>What was not compared</h2>\n<ul>{items}</ul>")
    top = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{core.grade}</title>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{top}<style>{STYLE}</style></head>\n<body>\n'
        + "\n".join(parts)
        + "\n</body></html>\n"
    )

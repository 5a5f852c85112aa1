"""The certificate as a page."""

from __future__ import annotations

from typing import Any

from stages.project.lock import rank
from stages.verification import environments
from stages.verification.certificate import Core, Environment
from stages.verification.document import Document, Table

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
ACROSS = 1 << 30  # so many float32 lie between two weights of common size only when they differ in sign, or one is 0


def tables(core: Core) -> dict[str, Table]:
    """Return the page's tables by their headings: head and rows, plain text."""
    rows: list[tuple[str, ...]] = []
    for name, environment in _environments(core):
        asked = ", ".join(f"{key}={value}" for key, value in sorted(environment.asked.items())) or "nothing"
        rows.append((name, asked, environment.grade, environment.reason))
    found: dict[str, Table] = {"Environments": (("environment", "changed", "grade", "because"), rows)}
    differ: list[tuple[str, ...]] = [
        (name, what, said) for name, e in _environments(core) for what, said in findings(e.evidence)
    ]
    if differ:
        found["What differs"] = (("environment", "what", "found"), differ)
    written: list[tuple[str, ...]] = [
        (stage, str(len(core.outputs[stage])), ", ".join(sorted(core.outputs[stage])))
        for stage in sorted(core.outputs, key=rank)
    ]
    found["What was compared"] = (("stage", "outputs", "paths"), written)
    found["What was not compared"] = (("what",), [(item,) for item in core.not_compared])
    return found


def _environments(core: Core) -> list[tuple[str, Environment]]:
    """Return the environments in the order of ENVIRONMENTS, for the file does not keep theirs."""
    known = [*environments.ENVIRONMENTS]
    kinds = {name: name.partition("=")[0] for name in core.environments}
    names = sorted(kinds, key=lambda name: (known.index(kinds[name]) if kinds[name] in known else len(known), name))
    return [(name, core.environments[name]) for name in names]


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
        far = "across zero" if w.ulp >= ACROSS else f"{w.ulp} ULP"
        said = f"{w.tensors - w.equal} of {w.tensors} tensors; largest {w.largest:.3g} in {w.tensor}, {far}"
        found.append(("weights", said))
    if (p := evidence.predictions) is not None:
        found.append(("predictions", f"{p.agreeing} of {p.rows} the same; a probability at most {p.largest:.3g} off"))
    scores = sorted(evidence.scores.items())
    apart = [f"{name} {s.derived} not {s.reference}" for name, s in scores if s.derived != s.reference]
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


def document(core: Core) -> Document:
    """Return the page: the grade, what stands behind it, and what was left out.

    The same for a core that was written and read again: `check` makes it anew.
    """
    lead = (f"Reproduction: {MEANING[core.grade]}.", " ".join(summary(core)))
    return Document(core.grade, lead, tables(core), grade=COLOURS[core.grade])

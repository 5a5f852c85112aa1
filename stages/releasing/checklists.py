"""REFORMS (Kapoor et al. 2024, doi:10.1126/sciadv.adk3452) and the NeurIPS paper checklist, answered from the run.

An item that the run does not answer is listed as open for the author; none is guessed.
"""

from __future__ import annotations

from stages.core.shown import markdown_table
from stages.releasing.card import scores
from stages.releasing.facts import Facts
from stages.releasing.rendering import rendered

NAME = "checklists.md"
Item = tuple[str, str, str]  # item, answer, where in the repository; an empty answer is open
REFORMS_OPEN = {
    "1a": "Population or distribution about which the claim is made", "1b": "Motivation for this population",
    "1c": "Motivation for using machine learning", "3b": "Sampling frame", "3c": "Justification of the data set",
    "3d": "Outcome variable", "3f": "Missing values", "3g": "Sampling frame against the target population",
    "5b": "Reasons for the choice of the model type", "6c": "Comparison with appropriate baselines",
    "8a": "Evidence of external validity", "8b": "Contexts in which the findings do not hold",
}  # fmt: skip
NEURIPS_OPEN = {
    "1": "Claims", "2": "Limitations of the work", "3": "Theory, assumptions and proofs", "9": "Code of ethics",
    "10": "Broader impacts", "11": "Safeguards", "14": "Crowdsourcing and human subjects",
    "15": "Institutional review board approvals", "16": "Declaration of LLM usage",
}  # fmt: skip


def text(facts: Facts) -> str:
    """Return the page."""
    head = ["item", "question", "answer", "source"]
    return rendered(
        "checklists.md",
        reforms=markdown_table(head, _rows(_reforms(facts))), reforms_open=_open(REFORMS_OPEN),
        neurips=markdown_table(head, _rows(_neurips(facts))), neurips_open=_open(NEURIPS_OPEN),
    )  # fmt: skip


def _open(items: dict[str, str]) -> str:
    return "".join(f"- [ ] {number}: {question}\n" for number, question in items.items())


def _rows(items: dict[str, Item]) -> list[list[str]]:
    return [[number, *item] for number, item in items.items()]


def _reforms(facts: Facts) -> dict[str, Item]:
    data = facts.params["data"]
    rows = ", ".join(f"{table.rows} {table.split}" for table in facts.tables)
    intervals = ", ".join(facts.metrics("evaluate")["intervals"]) or "none"
    policies = ", ".join(f"{key}: {data[key]}" for key in ("empty", "duplicates", "conflicts"))
    return {
        "2a": ("Data set, with a link", ", ".join(one.address for one in facts.data), "params.yaml data.source"),
        "2b": ("Code", f"commit {facts.commit}", "the repository"),
        "2c": ("Computing environment", "versions are pinned", "requirements.lock, metrics/environment.json"),
        "2d": ("Instructions", "make repro", "README.md"),
        "2e": ("Script that reproduces the results", "dvc repro, digests in dvc.lock", "dvc.yaml, dvc.lock"),
        "3a": ("Data sources", ", ".join(one.name for one in facts.data), "params.yaml data.source"),
        "3e": ("Sample size", rows, "metrics/data.json"),
        "4a": ("Excluded rows", policies, "params.yaml data, data/clean/summary.json"),
        "4b": ("Data transformations", "cleaning, splits, tokens", "stages/preprocess.py, stages/tokenize.py"),
        "5a": ("Model", facts.params["model"]["init"], "params.yaml model, models/finetuned/config.json"),
        "5c": ("Selection of hyper-parameters", "the values used are stated", "params.yaml train"),
        "6a": ("Train–test split", rows, "params.yaml data, data/clean"),
        "6b": ("Model selection", f"by {facts.params['train']['best_metric']} of the validation rows", "params.yaml"),
        "7a": ("Leakage between training and test rows", f"{data['leakage']}", "params.yaml data.leakage"),
        "7b": ("Metrics", ", ".join(scores(facts)), "metrics/evaluate.json, docs/metrics.md"),
        "7c": ("Uncertainty", f"95 % bootstrap intervals of {intervals}", "metrics/evaluate.json"),
    }  # fmt: skip


def _neurips(facts: Facts) -> dict[str, Item]:
    licences = ", ".join(f"{one.name}: {one.licence or 'not stated'}" for one in (*facts.data, *facts.base))
    core = facts.certificate.predicate.core if facts.certificate else None
    grade = f"yes; graded {core.grade}" if core else "yes; no certificate of this commit"
    return {
        "4": ("Experimental result reproducibility", grade, "dvc.lock, metrics/reproduction.json"),
        "5": ("Open access to data and code", f"code at commit {facts.commit}", "README.md, params.yaml"),
        "6": ("Experimental setting", "every parameter and the seed", "params.yaml"),
        "7": ("Statistical significance", "bootstrap intervals over test rows, one seed", "metrics/evaluate.json"),
        "8": ("Compute resources", "processor, memory and seconds of training", "metrics/environment.json"),
        "12": ("Licences of existing assets", licences, "CITATION.cff references"),
        "13": ("New assets", "model card, data card, run crate", "README.md, croissant.json, ro-crate-metadata.json"),
    }

"""The model card, README.md: Hugging Face's metadata with every score as a model-index, and the text of Mitchell et al.

(arXiv:1810.03993), filled from the run. It needs no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.core.shown import markdown, markdown_table, plain
from stages.project import lock
from stages.releasing.facts import NOT_STATED, Facts
from stages.releasing.rendering import rendered
from stages.releasing.sources import slug

NAME = "README.md"
TASKS = {  # target -> the hub's name of the task
    "classes": "text-classification", "labels": "text-classification", "number": "text-classification",
    "relations": "text-classification", "tags": "token-classification", "span": "question-answering",
    "masked": "fill-mask",
}  # fmt: skip


def scores(facts: Facts) -> dict[str, float | None]:
    """Return {score: value} of the test rows: the judged ones first, the main one at the head, then the others."""
    held = facts.metrics("evaluate")
    order = [entry[0] for entry in held["metrics"]]
    names = [*order, *sorted(held.keys() - {*order, "intervals", "notes", "metrics"})]
    return {name: held[name] for name in names if name in held and isinstance(held[name], int | float | None)}


def text(facts: Facts, files: Mapping[str, str]) -> str:
    """Return the card. files: {name: what it is} of the release."""
    from huggingface_hub import ModelCard

    return str(ModelCard(f"---\n{metadata(facts).to_yaml()}\n---\n\n{_body(facts, files)}")) + "\n"


def metadata(facts: Facts) -> Any:
    """Return the card's metadata, as huggingface_hub checks and writes it."""
    from huggingface_hub import EvalResult, ModelCardData

    task = TASKS.get(facts.params["target"]["name"], "other")
    source = facts.data[0]
    results = [
        EvalResult(
            task_type=task, dataset_type=slug(source.name), dataset_name=", ".join(one.name for one in facts.data),
            dataset_split="test", dataset_revision=source.revision or source.sha256, metric_type=name,
            metric_name=name, metric_value=value,
        )
        for name, value in scores(facts).items() if value is not None
    ]  # fmt: skip
    licence = next((one.licence for one in facts.base if one.licence), None)
    return ModelCardData(
        model_name=facts.name, eval_results=results, library_name="transformers",
        license=licence.lower() if licence else None, pipeline_tag=None if task == "other" else task,
        tags=["reproducible"],
    )  # fmt: skip


def _body(facts: Facts, files: Mapping[str, str]) -> str:
    held, training = facts.metrics("evaluate"), facts.metrics("finetune")
    rows = []
    for name, value in scores(facts).items():
        low, high = held["intervals"].get(name, (None, None))
        rows.append([name, "undefined" if value is None else f"{value}", f"{low} – {high}" if low is not None else ""])
    core = facts.certificate.predicate.core if facts.certificate else None
    environment = facts.metrics("environment").get("finetune", {})
    params = lock.params(facts.locked)
    return rendered(
        "card.md", facts=facts, not_stated=NOT_STATED, training=training, grade=core.grade if core else None,
        environment=environment, notes=held["notes"],
        results=markdown_table(["score", "value", "95 % interval"], rows),
        sources=markdown_table(
            ["source", "address", "SHA-256 or revision", "licence"],
            [
                [one.name, one.address, one.sha256 or one.revision or "", one.licence or NOT_STATED]
                for one in (*facts.data, *facts.base)
            ],
        ),
        splits=markdown_table(["split", "rows"], [[one.split, str(one.rows)] for one in facts.tables]),
        params=markdown_table(["param", "value"], [[key, plain(value)] for key, value in sorted(params.items())]),
        files=markdown_table(["file", "what it is"], [[name, what] for name, what in sorted(files.items())]),
        packages=[f"{markdown(name)} {markdown(v)}" for name, v in sorted(environment.get("packages", {}).items())],
    )  # fmt: skip

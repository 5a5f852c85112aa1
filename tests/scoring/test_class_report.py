"""The report of one set of predictions: its text, its rounding, and the same bytes for the same arrays."""

from __future__ import annotations

import numpy as np

from stages.core.files import canonical_json
from stages.scoring.classification import Judged
from stages.scoring.report import Options, Report, headline, rounded
from stages.targets.classes.report import report


def told(table, probabilities, bins: int = 10) -> Report:
    return report(Judged(table.labels, probabilities), (), {"labels": table.names}, Options(bins, 100, 0))


def test_headline_gives_scores_with_intervals_and_notes() -> None:
    found = {
        "accuracy": 0.75, "examples": 8, "roc_auc": None, "ece": 0.1, "intervals": {"accuracy": [0.5, 1.0]},
        "notes": ["roc_auc is undefined"],
    }  # fmt: skip
    assert headline(found).splitlines() == [
        "8 examples; 95 % intervals in brackets",
        "accuracy          0.7500  [0.5000, 1.0000]",
        "ece               0.1000",
        "roc_auc is undefined",
    ]


def test_every_float_is_rounded_wherever_it_stands() -> None:
    assert rounded({"a": [1 / 3, (2 / 3, "x", 5)], "b": None}) == {"a": [0.333333, [0.666667, "x", 5]], "b": None}


def test_tables_are_those_of_the_plots(table) -> None:
    said = told(table, table.probabilities)
    assert {name: tuple(header) for name, (header, _) in said.tables.items()} == {
        "bars/f1_by_class.tsv": ("x", "y"),
        "lines/accuracy_by_confidence.tsv": ("curve", "x", "y", "area"),
        "lines/precision_by_recall.tsv": ("curve", "x", "y", "area"),
        "lines/true_positive_rate_by_false_positive_rate.tsv": ("curve", "x", "y", "area"),
        "matrix/confusion.tsv": ("actual", "predicted", "examples", "share", "row", "column"),
    }
    assert all(len(row) == len(header) for header, rows in said.tables.values() for row in rows)


def test_the_report_ends_in_the_table_of_classes(table) -> None:
    text = told(table, table.probabilities).text
    assert text.splitlines()[1].startswith("accuracy          0.7500  [")
    assert text.splitlines()[-1].split() == ["weighted", "avg", "0.8750", "0.7500", "0.7619", "8"]


def test_neighbouring_floats_give_the_same_bytes(table) -> None:
    nudged = np.nextafter(table.probabilities, 1.0)
    once, again = (told(table, p, bins=7) for p in (table.probabilities, nudged))
    assert canonical_json(once.scores) == canonical_json(again.scores)
    assert canonical_json(once.tables) == canonical_json(again.tables)

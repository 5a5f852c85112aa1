"""The comparison for a pull request: its text, and what DVC's failure becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.reporting import review
from stages.reporting.tables import FORMS, parse
from tests.reporting.project import Project
from tests.reporting.test_charts import CONFUSION, OWN


def test_the_whole_text() -> None:
    said = review.markdown("a_b", "0123456789abcdef", "| m |", "", [("loss.png", "Loss")], ["it is <old>"])
    assert said == (
        "# This run against a_b (0123456789)\n\n"
        "> it is \\<old>\n\n"
        "## Metrics\n\n| m |\n\n"
        "## Params\n\nNo param differs.\n\n"
        "## Plots\n\nLoss:\n\n![Loss](report/loss.png)\n"
    )


def test_both_runs_are_drawn(tmp_path: Path) -> None:
    drawn = review.images(OWN, OWN, "main", tmp_path)
    assert [file for file, _ in drawn] == [
        "loss.png", "validation.png", "accuracy-by-confidence.png", "f1-by-class.png", "confusion.png",
    ]  # fmt: skip
    assert drawn[-1][1].startswith("Confusion: examples more or fewer than in main")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(file for file, _ in drawn)


def test_a_base_of_other_classes_has_no_matrix_to_compare(tmp_path: Path) -> None:
    header = "actual\tpredicted\texamples\tshare\trow\tcolumn\n"
    base = {**OWN, CONFUSION: parse(f"{header}a\ta\t1\t1.0\t0\t0\n", CONFUSION, FORMS["matrix"])}
    assert review.images(OWN, base, "main", tmp_path)[-1][1] == "Confusion"


def test_without_a_base_the_run_is_drawn_alone(tmp_path: Path) -> None:
    assert review.images(OWN, None, "main", tmp_path)[-1][1] == "Confusion"


def test_what_dvc_says_is_the_message(project: Project) -> None:
    with pytest.raises(InputError, match="^dvc metrics diff HEAD: ERROR: Only supported for Git"):
        review.difference(project.root, "metrics", "HEAD")

"""What a clone would run, told before it has run; tests/pipeline/test_plan.py holds it against DVC itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.verification import plan
from tests.claims.conftest import Project


def test_pinned_streams_keep_their_seeds(project: Project) -> None:
    project.put("params.yaml", (project.root / "params.yaml").read_text().replace("order: null", "order: 7"))
    planned = plan.of(project.root)
    assert planned.seeds(3, {"init": 5}) == {"split": 3, "init": 5, "order": 7}


def test_what_is_fetched_depends_on_the_files_that_the_source_names(project: Project) -> None:
    before = plan.of(project.root).told
    project.put("files/other.tsv", "c\td\n")
    assert plan.of(project.root).told == before
    project.put("files/train.tsv", "c\td\n")
    assert plan.of(project.root).told != before


def test_md5_of_a_folder_is_that_of_its_listing(tmp_path: Path) -> None:
    """The value is what `dvc add` records of these two files."""
    (tmp_path / "data/b").mkdir(parents=True)
    (tmp_path / "data/a.txt").write_text("a\n")
    (tmp_path / "data/b/é.txt").write_text("b\n")
    assert plan.md5(tmp_path / "data/a.txt") == "60b725f10c9c85c70d97880dfe8191b3"
    assert plan.md5(tmp_path / "data") == "0b2799dbd63cd44589b7157566ebf11c.dir"


@pytest.mark.parametrize(("old", "new"), [("download:", "fetch:"), ("seed_streams.split", "seed_streams.none")])
def test_another_dvc_yaml_is_refused(project: Project, old: str, new: str) -> None:
    project.put("dvc.yaml", (project.root / "dvc.yaml").read_text().replace(old, new))
    with pytest.raises(InputError, match=r"^dvc.yaml: not as this project writes it: "):
        plan.of(project.root)

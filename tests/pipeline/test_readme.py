"""Every command of README.md and docs/ runs, on the recipe `smoke`, and does what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.core import yaml12
from tests.pipeline.closure import ROOT
from tests.pipeline.conftest import Block, Clone, outputs, stages_run
from tests.pipeline.readme import BLOCKS, PAGES, TEXT, headings, links

Ran = Callable[[str], Block]


def test_there_are_commands() -> None:
    assert ["make repro"] in BLOCKS
    assert ["make test"] in BLOCKS
    assert sum(map(len, BLOCKS)) > 15


@pytest.mark.parametrize("commands", BLOCKS, ids=lambda commands: commands[0])
def test_each_block_runs(block: Ran, commands: list[str]) -> None:
    assert list(block(commands[0]).said) == commands


def test_make_test_runs_these_tests(block: Ran) -> None:
    assert "pytest" in block("make test").said["make test"]


def test_make_repro_again_runs_nothing(block: Ran) -> None:
    ran = block("make repro")
    assert stages_run(ran.said["make repro"]) == []
    assert ran.clone.run("git status --porcelain") == ""


def test_another_learning_rate_runs_finetune_and_evaluate_alone(block: Ran) -> None:
    ran = block("dvc exp run -S train.lr=3e-5")
    assert stages_run(ran.said["dvc exp run -S train.lr=3e-5"]) == ["finetune", "evaluate"]
    assert yaml12.read(ran.clone.root / "params.yaml")[0]["train"]["lr"] == 3e-5
    first = ran.clone.text("metrics/finetune/steps.tsv").splitlines()[1].split("\t")
    assert 0 < float(first[3]) <= 3e-5
    assert "train.lr" in ran.said["dvc params diff"]
    assert "accuracy" in ran.said["dvc metrics diff"]


def test_data_of_ones_own_runs_every_stage(block: Ran) -> None:
    said = block("python -m stages.recipe tsv").said["dvc repro"]
    assert stages_run(said) == ["download", "preprocess", "tokenize", "finetune", "evaluate"]


def test_any_number_of_workers_gives_the_same(block: Ran, reproduced: Clone) -> None:
    ran = block("REPRISE_WORKERS=1 dvc repro -f -s finetune")
    for workers in (1, 2):
        assert stages_run(ran.said[f"REPRISE_WORKERS={workers} dvc repro -f -s finetune"]) == ["finetune"]
    assert outputs(ran.clone) == outputs(reproduced)


def test_plots_are_drawn(block: Ran) -> None:
    page = block("dvc plots show").clone.text("dvc_plots/index.html")
    for title in (
        "Loss",
        "Learning rate",
        "matrix/confusion.tsv",
        "lines/precision_by_recall.tsv",
        "bars/f1_by_class.tsv",
    ):
        assert title in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_it_links_to_is_there(page: Path) -> None:
    for path, anchor in links(page):
        assert path.is_file(), path
        assert not anchor or anchor in headings(path), anchor


def test_every_page_is_reached_from_readme() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in PAGES and page not in seen:
            seen.add(page)
            waiting += [path for path, _ in links(page)]
    assert seen == set(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_it_names_is_there(reproduced: Clone, page: Path) -> None:
    for name in re.findall(r"`((?:stages|metrics|data|models|benchmarks|files/tsv)/[\w./]+)`", PAGES[page]):
        assert (reproduced.root / name).exists() or (ROOT / name).exists(), name  # the clone lacks what is no output


def test_readme_is_short() -> None:
    assert len(TEXT.split()) <= 1500


def test_recipes_are_all_in_the_table() -> None:
    named = set(re.findall(r"^\| `([\w-]+)`.* \| ", TEXT, re.MULTILINE))
    assert named >= {path.stem for path in Path(ROOT, "recipes").glob("*.yaml")}

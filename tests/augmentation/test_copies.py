"""Copies through the stage: what each is a function of, what they never touch, what becomes of those that leak."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages import preprocess
from stages.core.errors import InputError
from stages.core.files import read_json
from stages.core.params import decode
from stages.inputs.marked import Marked
from stages.inputs.pair import Pair
from stages.inputs.text import Text
from stages.inputs.words import Words
from stages.interfaces import Stretch
from stages.repro.digests import of_folder
from stages.targets.tags.data import Tags
from tests.augmentation.wordnet import wordnet
from tests.contracts.tasks import TASKS, params

TEXTS, TAGS, MARKED = (
    next(task for task in TASKS if (task.input, task.target) == names)
    for names in (("text", "classes"), ("words", "tags"), ("marked", "relations"))
)
ROWS = [{"text": f"soon the old captain of car {n} sails", "label": "ab"[n % 2]} for n in range(12)]
EDA = {"name": "eda", "copies": 3, "alpha": 0.2}
Run = Callable[..., dict[str, Any]]


def tree(task: Any = TEXTS, **changes: Any) -> dict[str, Any]:
    """Return params of a task with separate files for all splits, `changes` of sections or, else, of `data`."""
    found = params(task)
    found["data"]["files"] = {split: f"{split}.jsonl" for split in preprocess.SPLITS}
    for key, value in changes.items():
        (found if key in found else found["data"])[key] = value
    return found


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs the stage in tmp_path, by `tree`, on rows of each split."""

    def run(
        train: list[dict[str, Any]] = ROWS,
        validation: list[dict[str, Any]] = ROWS[:1],
        test: list[dict[str, Any]] = ROWS[1:2],
        **changes: Any,
    ) -> dict[str, Any]:
        (tmp_path / "raw").mkdir(exist_ok=True)
        for split, rows in zip(preprocess.SPLITS, (train, validation, test), strict=True):
            (tmp_path / f"raw/{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        said = decode(preprocess.Params, tree(**changes), {}, "params.yaml")
        places = tmp_path / "raw", tmp_path / "clean", tmp_path / "data.json"
        return preprocess.preprocess(said, *places, resource=wordnet(tmp_path / "wordnet"))

    return run


def train(folder: Path, column: str = "text") -> list[tuple[int, Any]]:
    """Return (id, what stands in a column) of the training rows in their order."""
    table = pq.read_table(folder / "clean/train.parquet").to_pydict()
    return list(zip(table["id"], table[column], strict=True))


def copies(folder: Path, rows: int, column: str = "text") -> list[tuple[int, Any]]:
    """Return the same of the copies alone, which stand behind the `rows`."""
    return train(folder, column)[rows:]


def test_without_augmentation_nothing_is_other_than_it_was(run: Run, tmp_path: Path) -> None:
    summary = run(leakage="drop")
    assert sorted(summary) == ["classes", "dropped", "found", "read", "rows"]
    assert train(tmp_path) == [(n, ROWS[n]["text"]) for n in range(2, 12)]
    assert read_json(tmp_path / "data.json") == {
        "classes": 2, "dropped_rows": 2, "test_rows": 1, "train_rows": 10, "validation_rows": 1,
    }  # fmt: skip


def test_copies_stand_behind_the_rows_and_change_nothing_else(run: Run, tmp_path: Path) -> None:
    run(leakage="drop")
    before, rows = of_folder(tmp_path / "clean"), train(tmp_path)
    summary = run(leakage="drop", augmentation=EDA)
    after = of_folder(tmp_path / "clean")
    assert {name for name in after if after[name] != before[name]} == {"train.parquet", "summary.json"}
    assert train(tmp_path)[:10] == rows
    made = copies(tmp_path, 10)
    assert {n for n, _ in made} <= {n for n, _ in rows}
    counts = summary["copies"]
    assert counts["made"] == 30 == counts["leaked"] + counts["repeated"] + counts["written"]
    assert counts["written"] == len(made) == len({text for _, text in made}) > 20
    assert summary["rows"]["train"] == 10 + len(made) == sum(summary["classes"]["train"].values())
    assert read_json(tmp_path / "data.json") == {
        "classes": 2, "copied_rows": len(made), "dropped_rows": 2, "test_rows": 1, "train_rows": 10 + len(made),
        "validation_rows": 1,
    }  # fmt: skip
    labels = dict(train(tmp_path, "label"))
    assert all(label == labels[n] for n, label in copies(tmp_path, 10, "label"))


def test_a_copy_is_a_function_of_seed_row_and_number(run: Run, tmp_path: Path) -> None:
    run(leakage="drop", augmentation=EDA)
    made = copies(tmp_path, 10)
    run(leakage="drop", augmentation=EDA, limit=7)
    assert set(copies(tmp_path, 7)) == {(n, text) for n, text in made if n in dict(train(tmp_path)[:7])}
    run(leakage="drop", augmentation=EDA | {"copies": 2})
    assert set(copies(tmp_path, 10)) < set(made)
    streams = dict.fromkeys(("init", "order", "dropout"))
    run(leakage="drop", augmentation=EDA, seed_streams=streams | {"split": 5, "augment": None})
    assert copies(tmp_path, 10) == made
    run(leakage="drop", augmentation=EDA, seed_streams=streams | {"split": None, "augment": 5})
    others = copies(tmp_path, 10)
    assert others != made
    run(leakage="drop", augmentation=EDA, seed=5)
    assert copies(tmp_path, 10) == others  # the stream is of seed 5 by either way


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_copy_of_a_text_of_another_split_leaks(split: str, run: Run, tmp_path: Path) -> None:
    """`gull captain` has one synonym: its only copy is a text that is not to be learnt, however it is spaced."""
    rows = [{"text": "gull captain", "label": "a"}, {"text": "the car", "label": "b"}]
    augmentation = {"name": "eda", "copies": 1, "operations": ["replace"]}
    assert run(rows, augmentation=augmentation)["copies"] == {"made": 2, "leaked": 0, "repeated": 0, "written": 2}
    assert (0, "gull chief") in copies(tmp_path, 2)
    summary = run(rows, **{split: [{"text": "gull \t chief", "label": "b"}]}, augmentation=augmentation)
    assert summary["copies"] == {"made": 2, "leaked": 1, "repeated": 0, "written": 1}
    assert [n for n, _ in copies(tmp_path, 2)] == [1]


def test_a_copy_that_is_no_other_than_a_training_row_is_dropped(run: Run, tmp_path: Path) -> None:
    """Its own row, another one, or an earlier copy."""
    rows = [{"text": text, "label": label} for text, label in (("gull", "a"), ("captain 1", "a"), ("chief 1", "b"))]
    augmentation = {"name": "eda", "copies": 2, "operations": ["replace"]}
    assert run(rows, augmentation=augmentation)["copies"] == {"made": 6, "leaked": 0, "repeated": 6, "written": 0}
    rows[2] = {"text": "x", "label": "b"}
    assert run(rows, augmentation=augmentation)["copies"] == {"made": 6, "leaked": 0, "repeated": 5, "written": 1}
    assert copies(tmp_path, 3) == [(1, "chief 1")]


def test_balance_repeats_rows_as_they_are_but_for_those_that_leak(run: Run, tmp_path: Path) -> None:
    rows = [{"text": str(n), "label": "b" if n in (3, 5) else "a"} for n in range(8)]
    summary = run(rows, augmentation={"name": "balance", "share": 1.0})
    assert summary["classes"]["train"] == {"a": 6, "b": 6}
    assert sorted(copies(tmp_path, 8)) == [(3, "3"), (3, "3"), (5, "5"), (5, "5")]
    summary = run(rows, [{"text": "3", "label": "a"}], leakage="keep", augmentation={"name": "balance"})
    assert summary["copies"] == {"made": 4, "leaked": 2, "repeated": 0, "written": 2}


def test_tags_stay_aligned(run: Run, tmp_path: Path) -> None:
    rows = [TAGS.row(n) for n in range(30)]
    for augmentation in ({"name": "mentions", "copies": 2, "probability": 1.0}, EDA | {"alpha": 0.5}):
        run(rows, rows[:3], rows[3:6], task=TAGS, augmentation=augmentation, leakage="drop")
        labels = read_json(tmp_path / "clean/schema.json")["space"]["labels"]
        found = zip(copies(tmp_path, 24, "words"), copies(tmp_path, 24, "tags"), strict=True)
        count = 0
        for (n, words), (_, tags) in found:
            row, tags = rows[n], [labels[tag] for tag in tags]
            assert len(words) == len(tags)
            mentions = [stretch for stretch in divided(words, tags) if stretch.mention]
            old = [stretch for stretch in divided(row["words"], row["tags"]) if stretch.mention]
            assert [stretch.mention for stretch in mentions] == [stretch.mention for stretch in old]
            assert (mentions == old) == (augmentation["name"] == "eda")
            count += 1
        assert count > 10


def divided(words: list[str], tags: list[str]) -> list[Stretch]:
    return list(Tags().divided((tuple(tags),), [Stretch(tuple(words))]))


def test_marked_entities_stay(run: Run, tmp_path: Path) -> None:
    rows = [MARKED.row(n) for n in range(30)]
    run(rows, rows[:3], rows[3:6], task=MARKED, augmentation=EDA, leakage="drop")
    made = copies(tmp_path, 24)
    assert len(made) > 20
    for n, text in made:
        assert Marked().example((text,), "") == (text,)
        for mark in ("e1", "e2"):
            assert entity(text, mark) == entity(rows[n]["text"], mark)


def entity(text: str, mark: str) -> str:
    return text.partition(f"<{mark}>")[2].partition(f"</{mark}>")[0]


WORDS = st.lists(st.text("ab<>/1e ", max_size=3).map(str.strip).filter(bool), max_size=3)


@given(st.lists(WORDS, min_size=3, max_size=3), st.lists(WORDS, min_size=3, max_size=3))
def test_a_marked_text_with_other_words(old: list[list[str]], new: list[list[str]]) -> None:
    """White space beside an entity stays: what touched it does still."""
    text = "x{}<e2>an entity</e2>, {} <e1>b</e1>{}"
    example = (text.format(*("".join(f" {word}" for word in words) for words in old)),)
    stretches = Marked().stretches(example)
    assert Marked().reworded(example, stretches)[0].split() == example[0].split()
    made = Marked().reworded(example, [Stretch(("x", *map(str, new[0]))), Stretch((",", *new[1])), Stretch(())])[0]
    assert made.startswith(" ".join(["x", *new[0]]) + "<e2>an entity</e2>, ")
    assert made.endswith(" <e1>b</e1>" + "".join(f" {word}" for word in old[2]))


@given(st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"]), min_size=1, max_size=9))
def test_any_tags_come_back(drawn: list[str]) -> None:
    tags = tuple(
        tag if tag[0] != "I" or (place and drawn[place - 1][1:] == tag[1:]) else f"B{tag[1:]}"
        for place, tag in enumerate(drawn)
    )
    words = tuple(str(place) for place in range(len(tags)))
    stretches = Tags().divided((tags,), Words().stretches((words,)))
    assert Tags().reanswered(stretches) == (tags,)
    assert Words().reworded((words,), stretches) == (words,)
    assert all(one.mention or two.mention for one, two in pairwise(stretches))


def test_texts_and_pairs_are_their_words() -> None:
    assert Text().stretches(("a  b\nc",)) == [Stretch(("a", "b", "c"))]
    pair = ("a b", "c")
    assert Pair().stretches(pair) == [Stretch(("a", "b")), Stretch(("c",))]
    assert Pair().reworded(pair, [Stretch(("x",)), Stretch(("y", "z"))]) == ("x", "y z")


@pytest.mark.parametrize(
    ("names", "augmentation", "message"),
    [
        (
            ("passage", "span"), {"name": "eda"},
            "eda wants an input with words that may be changed: text, pair, words or marked; found input passage, "
            "target span",
        ),
        (
            ("text", "classes"), {"name": "mentions"},
            "mentions wants a target of mentions: tags; found input text, target classes",
        ),
        (
            ("pair", "number"), {"name": "balance"},
            "balance wants a target of classes, one a row: classes or relations; found input pair, target number",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(names: tuple[str, str], augmentation: dict[str, Any], message: str) -> None:
    task = next(task for task in TASKS if (task.input, task.target) == names)
    with pytest.raises(InputError) as caught:
        decode(preprocess.Params, tree(task, augmentation=augmentation), {}, "params.yaml")
    assert str(caught.value) == f"params.yaml: augmentation.name: {message}"


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        ({"name": "edda"}, "augmentation.name: unknown name 'edda' (nearest: 'eda')"),
        ({"name": "eda", "copies": 0}, "augmentation.copies: found 0, wanted greater than or equal to 1"),
        ({"name": "eda", "alpha": 2}, "augmentation.alpha: found 2, wanted less than or equal to 1"),
        ({"name": "noise", "slip": ["drop"]}, "augmentation.slip: unknown key (nearest: 'slips')"),
        ({"name": "balance", "share": 0}, "augmentation.share: found 0, wanted greater than 0"),
    ],
)
def test_bad_values(augmentation: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        decode(preprocess.Params, tree(augmentation=augmentation), {}, "params.yaml")
    assert str(caught.value).startswith(f"params.yaml: {message}")


def test_without_wordnet_nothing_is_written(run: Run, tmp_path: Path) -> None:
    run()
    before = of_folder(tmp_path / "clean")
    said = decode(preprocess.Params, tree(augmentation=EDA), {}, "params.yaml")
    with pytest.raises(InputError, match=r"data.noun: no such file: augmentation eda reads "):
        preprocess.preprocess(
            said, tmp_path / "raw", tmp_path / "clean", tmp_path / "data.json", resource=tmp_path / "nothing"
        )
    assert of_folder(tmp_path / "clean") == before


def show(folder: Path, monkeypatch: pytest.MonkeyPatch, augmentation: dict[str, Any], count: str = "2") -> int | None:
    """Run the command in a folder with the data of a run in its place."""
    (folder / "params.yaml").write_text(json.dumps(tree(augmentation=augmentation, leakage="drop")))
    (folder / "data").mkdir()
    (folder / "raw").rename(folder / "data/raw")
    (folder / "wordnet").rename(folder / "data/resource")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["preprocess", "--show-augmentation", count])
    try:
        preprocess.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return None


def test_rows_are_shown_with_their_copies(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = run(leakage="drop", augmentation=EDA)
    made = copies(tmp_path, 10)
    before = of_folder(tmp_path / "clean")
    assert show(tmp_path, monkeypatch, EDA) is None
    wanted = [
        line
        for n in (2, 3)
        for line in (
            f"data/raw/train.jsonl, line {n + 1}", f"  before  text: {ROWS[n]['text']}",
            *(f"  after   text: {text}" for row, text in made if row == n),
        )
    ]  # fmt: skip
    counts = ", ".join(f"{number} {fate}" for fate, number in summary["copies"].items())
    assert capsys.readouterr().out.splitlines() == [*wanted, f"preprocess: copies: {counts}"]
    assert of_folder(tmp_path / "clean") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean", "data", "data.json", "params.yaml"]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["raw", "resource"]


@pytest.mark.parametrize(
    ("augmentation", "count", "message"),
    [
        ({"name": "none"}, "2", "augmentation.name: found none, which makes no copies: there is nothing to show"),
        (EDA, "0", "--show-augmentation: found 0, wanted 1 or more"),
    ],
)
def test_what_cannot_be_shown(
    augmentation: dict[str, Any], count: str, message: str, run: Run, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run()
    assert show(tmp_path, monkeypatch, augmentation, count) == 2
    assert capsys.readouterr().err == f"preprocess: error: {message}\n"

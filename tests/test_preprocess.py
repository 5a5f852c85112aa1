"""The preprocess stage from raw files to Parquet, schema and counts."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from stages import preprocess
from stages.core.errors import InputError
from stages.core.files import canonical_json, read_json
from stages.core.params import decode
from stages.repro.digests import of_folder

ROOT = Path(__file__).parent.parent
SMOKE = ROOT / "files" / "smoke"
SPLITS = ("train", "validation", "test")
PARAMS: dict[str, Any] = {
    "seed": 42,
    "seed_streams": {"split": None, "augment": None},
    "augmentation": {"name": "none"},
    "input": {"name": "text"},
    "target": {"name": "classes"},
    "data": {
        "format": {"name": "tsv"},
        "encoding": "utf-8",
        "files": {"train": "train.tsv", "validation": None, "test": "test.tsv"},
        "columns": {"text": "text", "label": "label"},
        "split": None,
        "keep": None,
        "empty": "drop",
        "duplicates": "drop",
        "conflicts": "drop",
        "leakage": "drop",
        "validation_fraction": 0.25,
        "test_fraction": None,
        "stratify": True,
        "per_class": None,
        "limit": None,
    },
}
NO_TEST = {"files": {"train": "train.tsv", "validation": None, "test": None}, "test_fraction": 0.25}
ROWS = "".join(f"text {n}\t{'ab'[n % 2]}\n" for n in range(16))
Run = Callable[..., dict[str, Any]]


def params(seed: int = 42, split: int | None = None, **data: Any) -> preprocess.Params:
    """Return decoded params, `data` changed."""
    tree = PARAMS | {"seed": seed, "seed_streams": {"split": split, "augment": None}, "data": PARAMS["data"] | data}
    return decode(preprocess.Params, tree, {}, "params.yaml")


def write(folder: Path, **files: str) -> None:
    """Write NAME.tsv files with a header line, as a download would leave them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        (folder / f"{name}.tsv").write_text("text\tlabel\n" + rows, encoding="utf-8")


def table(folder: Path, split: str) -> dict[str, list[Any]]:
    """Return the columns of one split."""
    return dict(pq.read_table(folder / "clean" / f"{split}.parquet").to_pydict())


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs the stage in tmp_path on the rows of train.tsv and test.tsv."""

    def run(train: str = ROWS, test: str = "other\ta\n", seed: int = 42, **data: Any) -> dict[str, Any]:
        write(tmp_path / "raw", train=train, test=test)
        return preprocess.preprocess(
            params(seed, **data), tmp_path / "raw", tmp_path / "clean", tmp_path / "metrics" / "data.json"
        )

    return run


def test_rows_carry_their_place_in_the_file_and_their_class(run: Run, tmp_path: Path) -> None:
    run("x\tb\n\ta\ny\ta\nz\tb\nw\ta\n", "v\tb\nu\ta\n", validation_fraction=0.5)
    parts = [table(tmp_path, split) for split in ("train", "validation")]
    rows = sorted(row for part in parts for row in zip(part["id"], part["text"], part["label"], strict=True))
    assert rows == [(0, "x", 1), (2, "y", 0), (3, "z", 1), (4, "w", 0)]
    assert table(tmp_path, "test") == {"id": [0, 1], "text": ["v", "u"], "label": [1, 0]}


def test_columns_have_the_stated_types(run: Run, tmp_path: Path) -> None:
    run()
    schema = pq.read_schema(tmp_path / "clean" / "train.parquet")
    assert [(f.name, str(f.type)) for f in schema] == [("id", "int64"), ("text", "string"), ("label", "int32")]


def test_labels_are_sorted_by_code_point(run: Run, tmp_path: Path) -> None:
    run(
        "".join(f"{text}\t{label}\n" for text, label in zip("abcdefgh", ["é", "b", "Z", "a"] * 2, strict=True)),
        "i\tZ\n",
    )
    assert read_json(tmp_path / "clean" / "schema.json") == {
        "input": "text",
        "target": "classes",
        "space": {"labels": ["Z", "a", "b", "é"]},
    }


def test_labels_that_are_whole_numbers_are_sorted_by_value(run: Run, tmp_path: Path) -> None:
    run("".join(f"text {n}\t{n % 12}\n" for n in range(48)), "other\t10\n")
    assert read_json(tmp_path / "clean" / "schema.json")["space"]["labels"] == [str(n) for n in range(12)]
    assert table(tmp_path, "test")["label"] == [10]
    ids, labels = (table(tmp_path, "train")[column] for column in ("id", "label"))
    assert labels == [n % 12 for n in ids]


def test_the_smoke_data_have_their_four_faults(tmp_path: Path) -> None:
    told = preprocess.preprocess(params(validation_fraction=0.1), SMOKE, tmp_path / "clean", tmp_path / "data.json")
    assert read_json(tmp_path / "clean" / "summary.json") == told
    assert read_json(tmp_path / "data.json") == {
        "classes": 3, "dropped_rows": 5, "test_rows": 100, "train_rows": 265, "validation_rows": 29,
    }  # fmt: skip
    assert told == {
        "read": {"train": 299, "test": 100},
        "dropped": {
            "train": {"keep": 0, "empty": 1, "leakage": 1, "conflicts": 2, "duplicates": 1},
            "test": {"keep": 0, "empty": 0},
        },
        "found": {
            "duplicate_examples": 2,
            "duplicate_rows": 1,
            "conflicting_examples": 1,
            "conflicting_rows": 2,
            "leakage": {"test": {"rows": 1, "training_rows": 1}, "validation": {"rows": 0, "training_rows": 0}},
            "test_rows_in_validation": 0,
        },
        "rows": {"train": 265, "validation": 29, "test": 100},
        "classes": {
            "train": {"garden": 106, "harbour": 88, "office": 71},
            "validation": {"garden": 11, "harbour": 10, "office": 8},
            "test": {"garden": 40, "harbour": 34, "office": 26},
        },
    }


def test_the_same_rows_give_the_same_bytes(run: Run, tmp_path: Path) -> None:
    run(**NO_TEST)
    first = of_folder(tmp_path)
    run(**NO_TEST)
    assert of_folder(tmp_path) == first


def test_a_seed_of_its_own_moves_the_split(run: Run, tmp_path: Path) -> None:
    run()
    before = table(tmp_path, "validation")["id"]
    write(tmp_path / "raw", train=ROWS)
    preprocess.preprocess(params(split=7), tmp_path / "raw", tmp_path / "clean", tmp_path / "data.json")
    assert table(tmp_path, "validation")["id"] != before


def test_texts_equal_in_unicode_nfc_are_one_text(run: Run, tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "café")
    told = run(ROWS + f"café\ta\n{decomposed}\ta\n", f"{decomposed}\ta\n")
    assert told["found"]["leakage"]["test"] == {"rows": 1, "training_rows": 2}
    assert table(tmp_path, "test")["text"] == ["café"]


def test_white_space_at_the_ends_is_no_text(run: Run, tmp_path: Path) -> None:
    told = run(ROWS + " \u00a0\ta\n\u200b \ufeff\ta\nx\t\u2060\n", " padded \t a \n")
    assert (told["dropped"]["train"]["empty"], table(tmp_path, "test")["text"]) == (3, ["padded"])


def test_keep_reads_only_the_rows_that_match(run: Run) -> None:
    told = run(keep={"column": "text", "pattern": r"1\d$|other"})
    assert (told["dropped"]["train"]["keep"], told["rows"]) == (10, {"train": 4, "validation": 2, "test": 1})


def test_a_given_validation_file_is_kept_and_its_texts_leave_training(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "raw", dev="text 3\tb\ndev\ta\n")
    told = run(files={"train": "train.tsv", "validation": "dev.tsv", "test": "test.tsv"})
    assert told["found"]["leakage"]["validation"] == {"rows": 1, "training_rows": 1}
    assert (table(tmp_path, "validation")["text"], told["rows"]["train"]) == (["text 3", "dev"], 15)


def test_both_splits_are_made_of_one_file(run: Run) -> None:
    assert run(**NO_TEST)["rows"] == {"train": 9, "validation": 3, "test": 4}


def test_a_split_made_of_kept_duplicates_leaves_no_text_in_training(run: Run, tmp_path: Path) -> None:
    run("".join(f"text {n % 30}\t{'ab'[n % 2]}\n" for n in range(40)), duplicates="keep", **NO_TEST)
    texts = [set(table(tmp_path, split)["text"]) for split in SPLITS]
    assert not texts[0] & (texts[1] | texts[2])
    assert not texts[1] & texts[2]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    train=st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ab")), min_size=1, max_size=80),
    test=st.lists(st.tuples(st.integers(0, 60), st.sampled_from("ab")), min_size=1, max_size=20),
    policies=st.fixed_dictionaries(
        {
            "duplicates": st.sampled_from(["drop", "keep"]),
            "conflicts": st.sampled_from(["drop", "first", "majority", "keep"]),
            "stratify": st.sampled_from([True, False, "lenient"]),
        }
    ),
)
def test_every_row_is_accounted_for_and_no_text_is_in_two_splits(
    run: Run, tmp_path: Path, train: list, test: list, policies: dict
) -> None:
    rows = ["".join(f"text {n}\t{label}\n" for n, label in split) for split in (train, test)]
    try:
        told = run(*rows, **policies)
    except InputError:
        return
    made = told["rows"]["train"] + told["rows"]["validation"]
    assert made + sum(told["dropped"]["train"].values()) == told["read"]["train"] == len(train)
    assert told["rows"]["test"] == len(test)
    texts = [set(table(tmp_path, split)["text"]) for split in SPLITS]
    assert not texts[0] & texts[1] and not (texts[0] | texts[1]) & texts[2]  # noqa: PT018


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"format": {"name": "tvs"}}, r"data.format.name: unknown name 'tvs' \(nearest: 'tsv'\)"),
        ({"format": {"name": "csv", "delimiter": ";;"}}, "data.format.delimiter: found .*;;"),
        ({"encoding": "utf-9"}, r"data.encoding: unknown text encoding 'utf-9' \(nearest: 'utf-8'"),
        ({"encoding": "base64"}, "data.encoding: unknown text encoding 'base64'"),
        ({"keep": {"column": "text", "pattern": "a{9999999999}"}}, "data.keep.pattern: .* is no regular expression"),
        ({"keep": {"column": "text", "pattern": "(" * 9999}}, "data.keep.pattern: .* is no regular expression"),
        ({"keep": {"column": "text", "pattern": "("}}, "data.keep.pattern: .* is no regular expression"),
        ({"columns": {"text": "a", "label": "a"}}, "data.columns: 'a' stands for two fields, wanted a column each"),
        ({"validation_fraction": 0.6}, "data.validation_fraction: found 0.6, wanted less than or equal to 0.5"),
        ({"validation_fraction": None}, "data: validation_fraction is wanted, since files.validation is null"),
        ({"test_fraction": 0.1}, "data: test_fraction must be null, since files.test holds the test rows"),
        (NO_TEST | {"test_fraction": None}, "data: test_fraction is wanted, since files.test is null"),
        (
            {"files": {"train": "../x", "validation": None, "test": "t"}},
            r"data.files.train: found '../x', wanted the path",
        ),
        ({"files": {"train": "/x", "validation": None, "test": "t"}}, "data.files.train: found '/x', wanted the path"),
        ({"stratify": "strict"}, "data.stratify: found .*strict"),
        ({"per_class": 0}, "data.per_class: found 0, wanted greater than or equal to 1"),
        ({"conflict": "drop"}, r"data.conflict: unknown key \(nearest: 'conflicts'"),
    ],
)
def test_wrong_params_are_told_at_their_key(data: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        params(**data)


@pytest.mark.parametrize(
    ("rows", "data", "message"),
    [
        ({"test": "x\tc\n"}, {}, r"test.tsv, line 2: label 'c' \(1 of the 1 test rows\) is in no training row"),
        ({"train": ROWS + "x\tlone\n"}, {}, "train.tsv, line 18: the only training row with label 'lone'"),
        ({"train": ""}, {}, "train.tsv: no rows"),
        ({"train": "\ta\nx\t\n"}, {}, "none of its 2 rows is left: 0 do not match data.keep, 2 have an empty field"),
        ({}, {"keep": {"column": "text", "pattern": "nowhere"}}, "none of its 16 rows is left: 16 do not match"),
        (
            {"train": ROWS + "\ta\n"},
            {"empty": "error"},
            "train.tsv, line 18: column 'text' is empty, and data.empty is",
        ),
        (
            {"train": ROWS + "x\t\n"},
            {"empty": "error"},
            "train.tsv, line 18: column 'label' is empty, and data.empty is",
        ),
        ({}, {"columns": {"text": "text", "label": "lable"}}, r"no column 'lable' \(nearest: 'label'\)"),
        ({}, {"keep": {"column": "txt", "pattern": "x"}}, r"no column 'txt' \(nearest: 'text'\)"),
        (
            {},
            {"files": {"train": "trian.tsv", "validation": None, "test": "test.tsv"}},
            r"no such file \(nearest: 'train",
        ),
        (
            {"test": ROWS},
            {},
            "no row is left for training; dropped: keep 0, empty 0, leakage 16, conflicts 0, duplicates 0",
        ),
        (
            {"test": "x\t\ny\t\u200b\n"},
            {},
            "test.tsv: none of its 2 rows is left: .*; none has a label: .* stages.predict$",
        ),
        (
            {"test": "x\t-1\n"},
            {},
            r"label '-1' \(1 of the 1 test rows\) is in no .*: texts without labels are for .* stages.p",
        ),
        ({"train": ROWS + "x\ta\u202eb\n"}, {}, r"train.tsv, line 18: label 'a.u202eb' holds U\+202E"),
        ({}, {"files": {"train": "train.tsv", "validation": None, "test": "."}}, "data.files.test: found '.', wanted"),
        ({"train": "x\ta\ny\ta\n"}, {}, "found label 'a' in the training rows, wanted two labels at least"),
    ],
)
def test_rows_that_cannot_be_used_are_told(run: Run, rows: dict[str, str], data: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(**rows, **data)


def test_a_test_file_without_labels_is_sent_to_predict(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "raw")
    (tmp_path / "raw" / "new.tsv").write_text("text\nx\n")
    message = r"new.tsv: no column 'label' \(known: 'text'\).*; rows without answers are for python -m stages.predict$"
    with pytest.raises(InputError, match=message):
        run(files={"train": "train.tsv", "validation": None, "test": "new.tsv"})


def test_a_folder_is_read_by_the_format_of_folders_alone(run: Run, tmp_path: Path) -> None:
    for split, rows in {"train": 8, "test": 2}.items():
        for number in range(rows):
            file = tmp_path / "raw" / split / "ab"[number % 2] / f"{number}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{split}\n{number}\n")
    files = {"files": {"train": "train", "validation": None, "test": "test"}}
    assert run(format={"name": "folders"}, **files)["rows"] == {"train": 6, "validation": 2, "test": 2}
    assert table(tmp_path, "test") == {"id": [0, 1], "text": ["test\n0", "test\n1"], "label": [0, 1]}
    with pytest.raises(InputError, match=r"raw/train: is a folder, wanted a file \(.* is format folders\)"):
        run(**files)
    with pytest.raises(InputError, match=r"raw/train.tsv: is a file, wanted a folder"):
        run(format={"name": "folders"})


@pytest.mark.parametrize(("cell", "what"), [(r"a\u0000b", "a NUL character"), (r"\ud800", "half a surrogate pair")])
def test_escapes_that_are_no_text_are_told(run: Run, tmp_path: Path, cell: str, what: str) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "train.jsonl").write_text(f'{{"text": "{cell}", "label": "a"}}\n')
    with pytest.raises(InputError, match=rf"train.jsonl, line 1: found {what}"):
        run(format={"name": "jsonl"}, **(NO_TEST | {"files": NO_TEST["files"] | {"train": "train.jsonl"}}))


def test_a_lone_row_stays_in_training_when_lenient(run: Run) -> None:
    assert run(ROWS + "x\tlone\n", stratify="lenient")["classes"]["train"]["lone"] == 1


def test_a_refusal_leaves_the_outputs_as_they_were(run: Run, tmp_path: Path) -> None:
    run()
    before = of_folder(tmp_path / "clean") | of_folder(tmp_path / "metrics")
    with pytest.raises(InputError):
        run(test="x\tunknown\n")
    assert of_folder(tmp_path / "clean") | of_folder(tmp_path / "metrics") == before


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs the stage's command in tmp_path on 4,000 rows."""
    write(tmp_path / "data" / "raw", train="".join(f"text {n * 7919}\t{n % 2}\n" for n in range(4000)), test="x\t1\n")
    with (tmp_path / "params.yaml").open("w") as file:
        YAML().dump(PARAMS, file)

    def run(largest_file: int = -1) -> subprocess.CompletedProcess[str]:
        def limit() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

        return subprocess.run(
            [sys.executable, "-m", "stages.preprocess"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            preexec_fn=limit,
        )

    return run


def test_the_command_says_what_it_did(command: Any, tmp_path: Path) -> None:
    assert command().stdout == "preprocess: 3,000 train, 1,000 validation, 1 test rows\n"
    assert sorted(of_folder(tmp_path)) == [
        *("data/clean/schema.json", "data/clean/summary.json", "data/clean/test.parquet", "data/clean/train.parquet"),
        *(
            "data/clean/validation.parquet",
            "data/raw/test.tsv",
            "data/raw/train.tsv",
            "metrics/data.json",
            "params.yaml",
        ),
    ]


def test_the_command_says_which_rows_it_dropped(command: Any, tmp_path: Path) -> None:
    write(tmp_path / "data" / "raw", train=ROWS + ROWS + "x\t\n", test="other\ta\n\ta\n\u200b\tb\n")
    assert command().stdout == (
        "preprocess: 12 train, 4 validation, 1 test rows\n"
        "preprocess: 1 train rows dropped by empty\n"
        "preprocess: 16 train rows dropped by duplicates\n"
        "preprocess: 2 test rows dropped by empty\n"
    )


def test_a_full_disk_leaves_nothing_half_written(command: Any, tmp_path: Path) -> None:
    before = of_folder(tmp_path)
    done = command(largest_file=2000)
    assert (done.returncode, of_folder(tmp_path)) == (2, before)
    assert done.stderr.startswith("preprocess: error: data/")
    assert "Traceback" not in done.stderr


def test_an_output_folder_that_cannot_be_made_is_told(command: Any, tmp_path: Path) -> None:
    (tmp_path / "metrics").write_text("a file in the way")
    done = command()
    assert (done.returncode, done.stderr) == (2, "preprocess: error: metrics: cannot be written: File exists\n")


def test_run_as_a_script_it_says_how_to_run_it() -> None:
    done = subprocess.run([sys.executable, ROOT / "stages" / "preprocess.py"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "run me as: python -m stages.preprocess\n")


def test_it_needs_no_model_library() -> None:
    code = "import sys, stages.preprocess; print(sorted({'torch', 'transformers', 'datasets'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_summary_is_canonical_json(run: Run, tmp_path: Path) -> None:
    summary = run()
    assert (tmp_path / "clean" / "summary.json").read_text() == canonical_json(summary)


@pytest.mark.parametrize(
    ("changes", "data", "message"),
    [
        ({"input": {"name": "words"}}, {}, "its answers belong to each word, those of this target to each example"),
        ({"target": {"name": "tags"}}, {}, "its answers belong to each example, those of this target to each word"),
        ({"target": {"name": "tag"}}, {}, r"target.name: unknown name 'tag' \(nearest: 'tags'\)"),
        ({"input": {"name": "pair"}}, {}, r"data.columns.text: no field of this input and target \(known: 'first', "),
        ({}, {"columns": {"text": "text", "lable": "x"}}, r"data.columns.lable: no field .* \(nearest: 'label'\)"),
        ({}, {"columns": {"text": "text"}}, "data.columns.label: missing: the column that holds it"),
        (
            {"target": {"name": "number"}}, {"columns": {"text": "text", "number": "n"}},
            "data.stratify: wanted false, since this target has no classes",
        ),
        (
            {"target": {"name": "number"}},
            {"columns": {"text": "text", "number": "n"}, "stratify": False, "per_class": 3},
            "data.per_class: wanted null, since this target has no classes",
        ),
    ],
)  # fmt: skip
def test_input_target_and_columns_belong_together(changes: dict[str, Any], data: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        decode(preprocess.Params, PARAMS | changes | {"data": PARAMS["data"] | data}, {}, "params.yaml")


def test_three_splits_in_one_file(run: Run, tmp_path: Path) -> None:
    rows = "".join(
        f"text {n}\t{'ab'[n % 2]}\t{part}\n" for n, part in enumerate(["tr", "te", "tr", "va", "te", "va", "tr"])
    )
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/all.tsv").write_text(f"text\tlabel\tpart\n{rows}text 7\tb\ttr\n")
    files = dict.fromkeys(SPLITS, "all.tsv")
    split = {"column": "part", "train": "tr", "validation": "va", "test": "te"}
    tree = PARAMS | {"data": PARAMS["data"] | {"files": files, "split": split}}
    asked = decode(preprocess.Params, tree, {}, "params.yaml")
    told = preprocess.preprocess(asked, tmp_path / "raw", tmp_path / "clean", tmp_path / "data.json")
    assert {name: table(tmp_path, name)["id"] for name in SPLITS} == {
        "train": [0, 2, 6, 7], "validation": [3, 5], "test": [1, 4],
    }  # fmt: skip
    assert told["read"] == {"train": 4, "validation": 2, "test": 2}


@pytest.mark.parametrize("form", ["pair", "messages"])
def test_a_prompt_of_the_test_rows_leaks_whatever_it_answers(form: str, tmp_path: Path) -> None:
    def row(prompt: str, response: str) -> dict[str, Any]:
        if form == "pair":
            return {"prompt": prompt, "response": response}
        return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]}

    raw = tmp_path / "raw"
    raw.mkdir()
    rows = {"train": [row("a", "1"), row("b", "2"), row("b", "3"), row("c", "4")], "test": [row("a", "9")]}
    for split, held in rows.items():
        (raw / f"{split}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in held))
    fields = list(rows["test"][0])
    tree = {
        "seed": 1, "seed_streams": {"split": None, "augment": None}, "augmentation": {"name": "none"},
        "input": {"name": "chat", "form": form}, "target": {"name": "next"},
        "data": {
            "format": {"name": "jsonl"}, "encoding": "utf-8", "columns": {name: name for name in fields}, "split": None,
            "files": {"train": "train.jsonl", "validation": "test.jsonl", "test": "test.jsonl"}, "keep": None,
            "empty": "drop", "duplicates": "drop", "conflicts": "drop", "leakage": "drop", "validation_fraction": None,
            "test_fraction": None, "stratify": False, "per_class": None, "limit": None,
        },
    }  # fmt: skip
    summary = preprocess.preprocess(
        decode(preprocess.Params, tree, {}, "params.yaml"), raw, tmp_path / "clean", tmp_path / "data.json"
    )
    assert (summary["rows"]["train"], summary["dropped"]["train"]["leakage"]) == (3, 1)
    assert summary["dropped"]["train"]["conflicts"] == 0  # other responses to one prompt are no conflict

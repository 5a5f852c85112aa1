"""Predict with the fine-tuned model what it was trained for.

    python -m stages.predict texts.csv --column text
    python -m stages.predict pairs.tsv --column first=sentence_A --column second=sentence_B
    printf 'wheat prices rose\\nquarterly profit up\\n' | python -m stages.predict

Reads a file, or standard input without one: lines of text, or any format of `data.format` (by --format or the file's
suffix, that before .gz, .bz2 or .xz), a pipe too. A file of the format that ./params.yaml names, if there is one, is
read as training read its own: by data.format, data.encoding and data.columns. Options stand in their place. A line of
text for a model of words is cut at its blanks.

Writes one JSON line for each input to standard output, in their order: the label and the probability of every class as
the exact value of its 32-bit float, or the tags of the words and what they name, or the number. Examples are cleaned
and cut to tokens as in training. Memory does not grow with the input.

A row's bits depend on how long the rows are that it is computed with, and on its place among them, though not on what
they say: by themselves, rows come out with logits up to some 1e-5 apart. So examples are taken in windows of --window,
and a window is computed as stages.evaluate computes its rows. The test rows in one window and in their order, from
whatever file format, come out as in data/predictions/test.parquet, to the bit; in another order or window, or with rows
left out, to about six digits. The same input and window always give the same bytes.

A model of conversations writes the response to each prompt: {"response": …}. What it writes does not depend on the
other prompts, nor on the window (docs/generation.md). evaluate.generate of ./params.yaml, if there is one, says how;
--max-new-tokens, --stop and --repetition-penalty stand in its place.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.predict", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("predict")  # the imports below take their time

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from stages.core.errors import InputError
from stages.core.files import read_object
from stages.core.params import Section, choice, decode, part_of
from stages.encoding import Encoder, load_encoder, windows
from stages.formats.content import Encoding
from stages.inputs import INPUTS
from stages.interfaces import Input, Target, Value
from stages.learning import TokenRows
from stages.predicting import writing
from stages.predicting.reading import INPUT, KINDS, check, opened, reading
from stages.repro.determinism import ensure_environment
from stages.repro.workers import Group
from stages.scoring.generation import Generate, writes
from stages.targets import TARGETS

MODEL = Path("models/finetuned")
WINDOW = 10_000  # more than the test rows of every recipe; 10,000 rows of 512 tokens are 20 MB
LARGEST = 1_000_000_000  # rows of a window
_CHARACTERS = 500_000  # of texts held at a time


class Example(Section):
    """What task.json says of the input."""

    input: choice(INPUTS)  # type: ignore[valid-type]


class Answer(Section):
    """What task.json says of the target."""

    target: choice(TARGETS)  # type: ignore[valid-type]


KEYS: dict[str, type[Section]] = {"input": Example, "target": Answer}


@dataclass(frozen=True)
class Task:
    """What a model was trained for, as task.json in its folder says."""

    example: Input
    target: Target
    space: Mapping[str, Any]

    @classmethod
    def of(cls, folder: Path) -> Task:
        """Return that of the model in `folder`. Raises InputError when it says none."""
        path = folder / "task.json"
        if not path.is_file():
            raise InputError(f"{folder}: no task.json, wanted a model that stages.finetune saved")
        told = read_object(path)
        space = told.get("space")
        if not isinstance(space, dict):
            raise InputError(f"{path}: space: wanted what answers there are")
        return cls(_plugin(path, told, "input"), _plugin(path, told, "target"), space)


def _plugin(path: Path, told: Mapping[str, Any], key: str) -> Any:
    """Return the plug-in that `told[key]` names, with its options, as in params.yaml."""
    return getattr(decode(KEYS[key], {key: told.get(key)}, {}, str(path)), key)


def predict(
    folder: Path, task: Task, examples: Iterator[Value], window: int, group: Group, asked: Generate | None = None
) -> Iterator[str]:
    """Yield a JSON line for each of `examples`, by the model in `folder`; `window` examples are computed together.

    `asked` says how responses are written, where the task has such. Raises InputError for a folder that
    holds no fine-tuned model of `task`.
    """
    from stages.inference import outputs as computed
    from stages.inference import whole
    from stages.inference.writing import responses
    from stages.models import load

    length = read_object(folder / "tokenizer_config.json").get("model_max_length")
    if not isinstance(length, int):
        raise InputError(f"{folder / 'tokenizer_config.json'}: no model_max_length, wanted what finetune saved")
    encoder = replace(load_encoder(folder, length), exact=task.target.by_token)
    scores, report = (part_of(task.target, name) for name in ("metrics", "report"))
    head = part_of(task.target, "head").Head(task.space)
    model: Any = None
    done = 0
    for held, rows in _windows(examples, task, encoder, window):
        model = model or load(folder, head).to(group.device)
        if writes(task.example, task.target):
            label = f"predict: rows from {done + 1:,}"
            texts = responses(model, whole(rows), encoder, asked or Generate(), task.space, group, label)
            yield from (_line({"response": text}) for _, text in texts)
            done += len(held)
            continue
        found = computed(model, head.scored(rows), head, group, f"predict: rows from {done + 1:,}")
        judged = scores.Judged.of(found, whole(head.scored(rows)), task.space)
        for index, example in enumerate(held):
            yield _line(report.render(judged, index, task.space, example))
        done += len(held)


def _line(said: Mapping[str, Any]) -> str:
    return json.dumps(said, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _windows(
    examples: Iterator[Value], task: Task, encoder: Encoder, window: int
) -> Iterator[tuple[list[Value], TokenRows]]:
    """Yield `window` examples at a time, less at the end, with their rows of tokens; texts are left out of them."""
    told = task.example.unit != "example"  # of a text, which may be long, nothing is told again
    done = 0
    while True:
        held: list[Value] = []
        cells: list[dict[str, Any]] = []
        for some in _parts(islice(examples, window)):
            for example, encoded in zip(some, task.example.encode(some, encoder), strict=True):
                number, blank = len(held), task.target.blank(example)
                where = f"text {done + number + 1}"
                cells += windows.rows(encoded, number, done + number, blank, task.target, where)
                held.append(example if told else ())
        if not held:
            return
        yield held, _token_rows(cells, encoder.pad)
        done += len(held)


def _parts(examples: Iterator[Value]) -> Iterator[list[Value]]:
    part: list[Value] = []
    held = 0
    for example in examples:
        part.append(example)
        held += sum(map(len, example))
        if held > _CHARACTERS:
            yield part
            part, held = [], 0
    yield part


def _token_rows(cells: Sequence[Mapping[str, Any]], pad: int) -> TokenRows:
    """Return rows of tokens that lie in memory, as those of an Arrow file are read."""
    import numpy as np

    lists = {name for name, cell in cells[0].items() if not isinstance(cell, int | float)}
    columns: dict[str, Any] = {
        name: [np.array(row[name], dtype=np.int32) for row in cells]
        if name in lists
        else np.array([r[name] for r in cells])
        for name in cells[0]
    }
    return TokenRows(
        lengths=columns["length"],
        take=lambda indices: {
            name: [column[i] for i in indices.tolist()] if name in lists else column[indices]
            for name, column in columns.items()
        },
        pad=pad,
    )


def encoding(name: str) -> str:
    """Return the name of an encoding that can be read. Raises ArgumentTypeError otherwise."""
    try:
        return str(TypeAdapter(Encoding).validate_python(name))
    except ValidationError as error:
        raise argparse.ArgumentTypeError(str(error.errors()[0]["ctx"]["error"])) from None


def header(text: str) -> bool | list[str]:
    """Return true, false, or names between commas."""
    return {"true": True, "false": False}.get(text, text.split(","))


def window(text: str) -> int:
    """Return a whole number in [1, LARGEST]. Raises ArgumentTypeError otherwise."""
    if not (text.isdecimal() and len(text) < 20 and 1 <= int(text) <= LARGEST):
        raise argparse.ArgumentTypeError(f"found {text[:60]!r}, wanted a whole number from 1 to {LARGEST:,}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    said = cli.parser("predict", __doc__)
    said.add_argument("file", nargs="?", type=Path, metavar="FILE", help="what to read; without it, standard input")
    said.add_argument("--model", type=Path, default=MODEL, metavar="FOLDER", help="default %(default)s")
    said.add_argument("--format", metavar="NAME", help=f"{', '.join(KINDS)}; default by suffix; {KINDS[0]}: one a line")
    said.add_argument(
        "--column", action="append", metavar="[FIELD=]NAME",
        help="where a field of the input is, of a table (default: the field's own name)",
    )  # fmt: skip
    said.add_argument("--delimiter", metavar="C", help="between the columns of csv (default ,)")
    said.add_argument(
        "--header", type=header, metavar="NAMES",
        help="of csv and tsv: true, false, or the columns' names between commas (default true)",
    )  # fmt: skip
    said.add_argument("--encoding", type=encoding, metavar="NAME", help="of what is read (default utf-8)")
    said.add_argument(
        "--window", type=window, metavar="ROWS",
        help=f"rows computed together and then written; another number gives other bits (default {WINDOW}; of "
        f"responses {writing.WINDOW}, and any number gives the same)",
    )  # fmt: skip
    said.add_argument("--max-new-tokens", type=int, metavar="N", help="tokens of a response at most")
    said.add_argument("--stop", action="append", metavar="TEXT", help="a text that ends a response")
    said.add_argument("--repetition-penalty", type=float, metavar="X", help="of tokens seen before; 1: none")
    return said


def main() -> None:
    """Predict what the command line names."""
    asked = parser().parse_args()
    with cli.errors_told("predict"):
        path = asked.file if asked.file is not None and str(asked.file) != "-" else INPUT
        task = Task.of(asked.model)
        manner = reading(path, vars(asked), task.example)
        check(path, manner)
        how = writing.generation(vars(asked)) if writes(task.example, task.target) else None
        rows = asked.window or (writing.WINDOW if how else WINDOW)
        ensure_environment()  # starts the process anew, so before anything of a pipe is read
        from stages.repro.determinism import settle
        from stages.repro.group import Alone

        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
        group, count = Alone(settle(0)), 0
        with opened(path, manner) as source:
            for line in predict(asked.model, task, manner.examples(source), rows, group, how):
                sys.stdout.write(line)
                if how:
                    sys.stdout.flush()
                count += 1
            sys.stdout.flush()
        print(f"predict: {count:,} rows", file=sys.stderr)


if __name__ == "__main__":
    main()

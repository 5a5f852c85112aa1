"""Predict the labels of texts with the fine-tuned model.

    python -m stages.predict texts.csv --column text
    printf 'wheat prices rose\\nquarterly profit up\\n' | python -m stages.predict

Reads a file, or standard input without one: lines of text, or any format of `data.format` (by --format or the file's
suffix, that before .gz, .bz2 or .xz), a pipe too. A file of the format that ./params.yaml names, if there is one, is
read as training read its own: by data.format, data.encoding and data.columns.text. Options stand in their place.

Writes one JSON line for each input to standard output, in their order: the label, and the probability of every class as
the exact value of its 32-bit float. Texts are cleaned and cut to tokens as in training. Memory does not grow with the
input.

A row's bits depend on how long the rows are that it is computed with, and on its place among them, though not on what
they say: by themselves, rows come out with logits up to some 1e-5 apart. So rows are taken in windows of --window, and
a window is computed as stages.evaluate computes its rows. The test rows in one window and in their order, from whatever
file format, have the probabilities of data/predictions/test.parquet to the bit; in another order or window, or with
rows left out, they have them to about six digits. The same input and window always give the same bytes.
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
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from stages.core.errors import InputError
from stages.core.files import read_object
from stages.encoding import Encoder, load_encoder
from stages.formats.content import Encoding
from stages.predicting.reading import INPUT, KINDS, check, opened, reading
from stages.repro.determinism import ensure_environment
from stages.repro.workers import Group

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tokens = NDArray[np.int32]

MODEL = Path("models/finetuned")
WINDOW = 10_000  # more than the test rows of every recipe; 10,000 rows of 512 tokens are 20 MB
LARGEST = 1_000_000_000  # rows of a window
_CHARACTERS = 500_000  # of texts held at a time


def predict(folder: Path, texts: Iterator[str], window: int, group: Group) -> Iterator[str]:
    """Yield a JSON line for each of `texts`, by the model in `folder`; `window` rows are computed together.

    Raises InputError for a folder that holds no fine-tuned classifier.
    """
    import numpy as np

    from stages.inference import logits
    from stages.interfaces import TokenRows
    from stages.scoring.probabilities import predicted, softmax
    from stages.tasks import TASKS

    names = labels(folder)
    length = read_object(folder / "tokenizer_config.json").get("model_max_length")
    if not isinstance(length, int):
        raise InputError(f"{folder / 'tokenizer_config.json'}: no model_max_length, wanted what finetune saved")
    encoder = load_encoder(folder, length)
    task, model, done = TASKS["classification"](), None, 0
    for tokens in _windows(texts, encoder, window):
        model = model or task.load(folder).to(group.device)
        rows = TokenRows(
            lengths=np.array([len(row) for row in tokens], dtype=np.int32),
            labels=np.zeros(len(tokens), dtype=np.int64),
            tokens=lambda indices, held=tokens: [held[index] for index in indices.tolist()],
            pad=encoder.pad,
        )
        label = f"predict: rows from {done + 1:,}"
        probabilities = softmax(logits(model, rows, task.collate, group, label))  # (N, C)
        for best, row in zip(predicted(probabilities).tolist(), probabilities.tolist(), strict=True):
            found = {"label": names[best], "probabilities": dict(zip(names, row, strict=True))}
            yield json.dumps(found, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
        done += len(tokens)


def labels(folder: Path) -> list[str]:
    """Return the classes of a fine-tuned model, in their order. Raises InputError when the folder names none."""
    names = read_object(folder / "config.json").get("id2label")
    names = names if isinstance(names, dict) else {}
    ordered = [name for index in range(len(names)) if isinstance(name := names.get(str(index)), str)]
    if not ordered or len(ordered) != len(names):
        raise InputError(f"{folder / 'config.json'}: names no classes, wanted a fine-tuned model")
    return ordered


def _windows(texts: Iterator[str], encoder: Encoder, window: int) -> Iterator[list[Tokens]]:
    """Yield the token ids of `window` texts at a time, of less at the end."""
    import numpy as np

    done = 0
    while True:
        tokens: list[Tokens] = []
        for some in _parts(islice(texts, window)):
            tokens += [np.array(ids, dtype=np.int32) for ids, _ in encoder(some)]
            if not all(map(len, tokens)):
                number = done + 1 + list(map(len, tokens)).index(0)
                raise InputError(f"text {number} has no token, and the model knows no special ones: leave it out")
        done += len(tokens)
        if not tokens:
            return
        yield tokens


def _parts(texts: Iterator[str]) -> Iterator[list[str]]:
    part: list[str] = []
    held = 0
    for text in texts:
        part.append(text)
        held += len(text)
        if held > _CHARACTERS:
            yield part
            part, held = [], 0
    yield part


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
    said.add_argument("--column", metavar="NAME", help="where texts are, of a table (default text)")
    said.add_argument("--delimiter", metavar="C", help="between the columns of csv (default ,)")
    said.add_argument(
        "--header", type=header, metavar="NAMES",
        help="of csv and tsv: true, false, or the columns' names between commas (default true)",
    )  # fmt: skip
    said.add_argument("--encoding", type=encoding, metavar="NAME", help="of what is read (default utf-8)")
    said.add_argument(
        "--window", type=window, default=WINDOW, metavar="ROWS",
        help="rows computed together and then written; another number gives other bits (default %(default)s)",
    )  # fmt: skip
    return said


def main() -> None:
    """Predict what the command line names."""
    asked = parser().parse_args()
    with cli.errors_told("predict"):
        path = asked.file if asked.file is not None and str(asked.file) != "-" else INPUT
        manner = reading(path, vars(asked))
        check(path, manner)
        ensure_environment()  # starts the process anew, so before anything of a pipe is read
        from stages.repro.determinism import settle
        from stages.repro.group import Alone

        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
        group, count = Alone(settle(0)), 0
        with opened(path, manner) as source:
            for line in predict(asked.model, manner.texts(source), asked.window, group):
                sys.stdout.write(line)
                count += 1
            sys.stdout.flush()
        print(f"predict: {count:,} rows", file=sys.stderr)


if __name__ == "__main__":
    main()

"""How the tokenize stage grows with its rows: time and memory of whole runs, each in a process of its own.

    python -m benchmarks.tokenize [ROWS ...] [--words MOST] [--model FOLDER]

Writes ROWS synthetic rows of 5 to MOST words to a temporary folder, runs the stage on them, and prints seconds, rows a
second, seconds of processor time, peak resident memory, and processor time a row against the first run: 1.00 is linear.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m benchmarks.tokenize", file=sys.stderr)
    sys.exit(2)

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from stages.core.files import write_json
from stages.core.tables import ROWS_A_GROUP, parquet_writer

MODEL = Path("files/smoke/model")
TABLE = pa.schema([("id", pa.int64()), ("text", pa.string()), ("label", pa.int32())])
STAGE = """
import resource, sys, time
from pathlib import Path
from stages.core.params import decode
from stages.tokenize import Params, tokenize
folder, model = map(Path, sys.argv[1:])
start = time.perf_counter(), time.process_time()
tree = {"input": {"name": "text"}, "target": {"name": "classes"}, "tokenize": {"max_length": 64, "pad_token": None}}
tokenize(decode(Params, tree, {}, "params.yaml"), folder / "clean", model, folder / "tokens", folder / "tokenize.json")
spent = time.perf_counter() - start[0], time.process_time() - start[1]
print(*spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def write_clean(folder: Path, rows: int, words: np.ndarray, most: int) -> None:
    """Write data/clean with `rows` training rows of 5 to `most` of `words`, and one row in each other split."""
    generator = np.random.default_rng(0)
    folder.mkdir()
    for split, count in (("train", rows), ("validation", 1), ("test", 1)):
        with parquet_writer(folder / f"{split}.parquet", TABLE) as writer:
            for start in range(0, count, ROWS_A_GROUP):
                ids = np.arange(start, min(start + ROWS_A_GROUP, count))
                lengths = generator.integers(5, most + 1, len(ids))
                texts = [" ".join(generator.choice(words, length)) for length in lengths]
                columns = [ids, texts, (ids % 2).astype(np.int32)]
                writer.write_table(pa.table(columns, schema=TABLE), row_group_size=ROWS_A_GROUP)
    write_json(folder / "schema.json", {"input": "text", "target": "classes", "space": {"labels": ["a", "b"]}})


def measure(rows: int, most: int, model: Path) -> tuple[float, float, float]:
    """Return seconds, seconds of processor time and peak resident memory (MB) of the stage on `rows` rows."""
    words = np.array([w for line in Path("files/tsv/train.tsv").read_text().splitlines() for w in line.split()])
    with tempfile.TemporaryDirectory() as folder:
        write_clean(Path(folder) / "clean", rows, words, most)
        command = [sys.executable, "-c", STAGE, folder, str(model)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seconds, processor, kilobytes = map(float, done.stdout.split())
    return seconds, processor, kilobytes / 1000


def main() -> None:
    """Measure each number of rows and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tokenize", description="Time and memory of tokenize.")
    parser.add_argument("rows", nargs="*", type=int, default=[100_000, 1_000_000], help="numbers of rows")
    parser.add_argument("--words", type=int, default=60, metavar="MOST", help="words of the longest row, >= 5")
    parser.add_argument("--model", type=Path, default=MODEL, help="model folder with config.json and tokenizer.json")
    arguments = parser.parse_args()
    print(f"{'rows':>12}{'seconds':>10}{'rows/s':>10}{'processor s':>13}{'peak MB':>10}{'time a row':>12}")
    first = 0.0
    for rows in arguments.rows:
        seconds, processor, megabytes = measure(rows, arguments.words, arguments.model)
        first = first or processor / rows
        print(f"{rows:12,}{seconds:10.1f}{rows / seconds:10,.0f}{processor:13.1f}", end="")
        print(f"{megabytes:10,.0f}{processor / rows / first:12.2f}", flush=True)


if __name__ == "__main__":
    main()

"""The ledger as text: table, CSV, Markdown, JSON, and what is to be said of repeats."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from stages.core.files import canonical_json
from stages.core.shown import cell, cut, markdown_table, plain, terminal
from stages.ledger.runs import Ledger, Repeat, Run
from stages.ledger.selection import Row

WIDEST = 40  # characters of a table's cell
_SHOWN = 3  # differences named in a line


def table(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return aligned columns, numbers to the right; metrics with four decimals, params as they are."""
    return aligned(columns, *_cells(rows, columns))


def as_markdown(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return the cells of `table` as a table of GitHub's Markdown."""
    return markdown_table(columns, *_cells(rows, columns))


def _cells(rows: Sequence[Row], columns: Sequence[str]) -> tuple[list[list[str]], list[bool]]:
    right = [any(_is_number(row.values.get(key)) for row in rows) for key in columns]
    return [[_cell(row, key) for key in columns] for row in rows], right


def aligned(header: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool] = ()) -> str:
    """Return lines of columns two blanks apart; those marked `right` end together (none, unless it is given)."""
    right = right or [False] * len(header)
    rows = [[terminal(cell) for cell in line] for line in [header, *cells]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)).rstrip()
        for line in rows
    ]
    return "".join(f"{line}\n" for line in lines)


def _cell(row: Row, key: str) -> str:
    value = row.values.get(key, "")
    if key in row.run.record.metrics and isinstance(value, float):
        return f"{value:.4f}"
    return cut(plain(value), WIDEST)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return CSV with one header line; null is `null`, a missing value nothing, a list JSON."""
    return csv_text([columns, *([row.values.get(key, "") for key in columns] for row in rows)])


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Return lines of CSV; texts that a spreadsheet would compute have a `'` before them."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerows([cell(v) if isinstance(v, str) else plain(v) for v in row] for row in rows)
    return written.getvalue()


def as_json(found: Ledger, rows: Sequence[Row]) -> str:
    """Return the runs of `rows`, whole, and the repeats they belong to, as canonical JSON.

    A repeat names its runs by their first commits, in full; null is the working tree.
    """
    return canonical_json(
        {
            "runs": [_run(row.run) for row in rows],
            "repeats": [_repeat(repeat) for repeat in concerned(found, rows)],
            "problems": list(found.problems),
        }
    )


def _run(run: Run) -> dict[str, Any]:
    record = run.record
    return {
        "commits": [commit or None for commit in run.commits],
        "names": run.names,
        "triple": record.triple,
        "generator": record.code,
        "parameters": record.parameters,
        "data": record.data,
        "metrics": record.metrics,
        "outputs": record.outputs,
        "environment": run.environment or None,
        "faults": list(record.faults),
        "notes": list(record.notes),
    }


def _repeat(repeat: Repeat) -> dict[str, Any]:
    return {
        "runs": [run.commits[0] or None for run in repeat.runs],
        "triple": repeat.runs[0].record.triple,
        "verdict": repeat.verdict,
        "first_stage_that_differs": repeat.stage,
        "differences": repeat.differences,
        "metrics_missing": list(repeat.missing),
        "environment": {key: list(values) for key, values in repeat.environment.items()},
    }


def concerned(found: Ledger, rows: Sequence[Row]) -> list[Repeat]:
    """Return the repeats to which a run of `rows` belongs."""
    shown = {id(row.run) for row in rows}
    return [repeat for repeat in found.repeats if any(id(run) in shown for run in repeat.runs)]


def told(repeat: Repeat, tolerance: float) -> str:
    """Return the verdict on one repeat in a line or two."""
    names = " | ".join(run.name for run in repeat.runs)
    head = f"{len(repeat.runs)} runs of {repeat.runs[0].record.triple[:8]} ({names}): {repeat.verdict}: "
    if repeat.stage is None:
        what = "every output has the same digest"
    else:
        within = f" within {tolerance:g}" if repeat.verdict == "close" else ""
        what = f"bits differ from {repeat.stage} on; metrics{within}: {_differences(repeat)}"
    return "".join(f"{terminal(line)}\n" for line in [f"{head}{what}", *_environment(repeat)])


def _differences(repeat: Repeat) -> str:
    said = [
        f"{key} {' | '.join(format(run.record.metrics[key], '.6g') for run in repeat.runs)}"
        for key in list(repeat.differences)[:_SHOWN]
    ]
    more = len(repeat.differences) - _SHOWN
    said += [f"{more} more"] if more > 0 else []
    said += [f"not in all: {', '.join(repeat.missing[:_SHOWN])}"] if repeat.missing else []
    return "; ".join(said) or "all equal"


def _environment(repeat: Repeat) -> list[str]:
    unknown = [run.name for run in repeat.runs if not run.environment]
    if unknown:
        return [f"  environment not known of {', '.join(unknown)}"]
    return [f"  {key}: {' | '.join(values)}" for key, values in repeat.environment.items()]

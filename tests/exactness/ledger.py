"""What was varied and whether it came out identical: counted as the tests go, written down by the full form."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAGE = Path("benchmarks/EXACTNESS.md")
HEAD = """\
# Exactness: what was tried and whether it came out the same

Written by `make prove` from what it saw. A run counts as identical when every byte of the model, the metrics, the
curves and the trace is that of a run of one worker that nothing disturbed. The model is the tiny BERT of
`tests/tiny.py`. The quick form of the same tests is part of `make test`.

"""


@dataclass
class Row:
    """One line of the table."""

    runs: int = 0
    identical: int = 0


@dataclass
class Ledger:
    """The table, and the outcome of tests in other folders."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)  # (what was varied, how it was run)
    tests: dict[str, list[bool]] = field(default_factory=dict)  # file -> whether each of its tests passed

    def same(self, varied: str, how: str, found: Any, wanted: Any) -> bool:
        """Count a run of which `found` came out where `wanted` should; return whether they are the same."""
        row = self.rows.setdefault((varied, how), Row())
        row.runs += 1
        row.identical += found == wanted
        return bool(found == wanted)

    def page(self, root: Path) -> str:
        """Return the page, with the processor and versions on which this was seen."""
        from stages.repro import environment

        machine = environment.describe()
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True)
        facts = {
            "processor": f"{machine['processor']}, {machine['cores']} cores",
            "system": f"{machine['system']}, Python {machine['python']}, torch {machine['packages']['torch']}",
            "commit": commit.stdout.strip() or "unknown",
        }
        lines = [f"- {name}: {value}" for name, value in facts.items()]
        lines += ["", "| what was varied | how it was run | runs | identical |", "|---|---|---|---|"]
        for (varied, how), row in self.rows.items():
            told = "all" if row.identical == row.runs else f"**{row.identical}**"
            lines.append(f"| {varied} | {how} | {row.runs} | {told} |")
        if self.tests:
            lines += ["", "Tests that were run with these:", "", "| file | tests | passed |", "|---|---|---|"]
            lines += [f"| `{name}` | {len(told)} | {sum(told)} |" for name, told in sorted(self.tests.items())]
        return HEAD + "\n".join(lines) + "\n"

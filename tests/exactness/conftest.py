"""Two forms: the quick one is part of `make test`; `make prove` sets REPRISE_PROVE=full, which runs all and writes
benchmarks/EXACTNESS.md."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.exactness.ledger import PAGE, Ledger
from tests.exactness.warm import Warm

FULL = os.environ.get("REPRISE_PROVE") == "full"
LEDGER = Ledger()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: part of `make prove` alone")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if item.get_closest_marker("full")] if not FULL else []
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    file = report.nodeid.partition("::")[0]
    if not file.startswith("tests/exactness/") and (report.when == "call" or report.failed):
        LEDGER.tests.setdefault(file, []).append(report.passed)


def pytest_sessionfinish(session: pytest.Session) -> None:
    asked = session.config.option
    if FULL and session.testscollected and not asked.keyword and not asked.collectonly:
        (tiny.ROOT / PAGE).write_text(LEDGER.page(tiny.ROOT), encoding="utf-8")


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    return LEDGER


def undisturbed(warm: Warm, root: Path) -> dict[str, Any]:
    """Return the digests of what one worker makes in the folder; leave the folder as it was."""
    code, said = warm.run(root, REPRISE_WORKERS="1")
    assert code == 0, said  # which may say that bfloat16 is slow here
    found = tiny.outputs(root)
    forget(root)
    return found


def forget(root: Path) -> None:
    """Remove what finetune writes, scratch too."""
    for name in ("models/finetuned", "metrics", ".reprise"):
        shutil.rmtree(root / name, ignore_errors=True)

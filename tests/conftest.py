"""Settings of all tests: hypothesis without a deadline, for other work may share the machine; and who shares a process.

`make test` runs two processes side by side. A file of tests stays in one of them, so that what its fixtures made is
made once; so do the folders whose files share a run of the pipeline, which begin first, for they take longest.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("reprise", settings(), deadline=None)
settings.load_profile("reprise")

TOGETHER = ("tests/pipeline", "tests/exactness")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Group the tests for pytest-xdist, the longest groups first."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    places: dict[pytest.Item, int] = {}
    for item in items:
        file = Path(item.path).relative_to(config.rootpath).as_posix()
        group = next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)
        places[item] = (*TOGETHER, "tests/test_finetune.py", group).index(group)
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=places.__getitem__)

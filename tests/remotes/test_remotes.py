"""Push and pull between two clones over a folder, a real SSH server and a real WebDAV server."""

from __future__ import annotations

import pytest

from tests.remotes.conftest import Clone, Remote


def test_a_second_clone_has_all_and_has_nothing_to_run(
    first: Clone, second: Clone, remote: Remote, capfd: pytest.CaptureFixture[str]
) -> None:
    first.use(remote)
    first.run("dvc", "push")
    second.use(remote)
    second.run("dvc", "pull")
    assert second.files() == first.files()
    assert second.dvc("repro") == 0
    said = capfd.readouterr().out
    assert "Running stage" not in said
    assert said.endswith("Data and pipelines are up to date.\n")
    assert second.git("status", "--porcelain") == ""

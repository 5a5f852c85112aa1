"""Push and pull between two clones over a folder, a real SSH server and a real WebDAV server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.remotes.conftest import Clone, Remote, serve


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


def test_an_experiment_goes_along(first: Clone, second: Clone, tmp_path: Path) -> None:
    first.git("init", "-q", "--bare", str(tmp_path / "bare.git"))
    first.git("remote", "add", "origin", str(tmp_path / "bare.git"))
    first.git("push", "-q", "origin", "main")
    second.git("remote", "set-url", "origin", str(tmp_path / "bare.git"))
    for remote in serve("local", tmp_path):
        for clone in (first, second):
            clone.use(remote)
        assert first.dvc("exp", "run", "-q", "-n", "three", "-S", "times=3") == 0
        assert first.dvc("exp", "push", "-q", "origin", "three") == 0
        assert second.dvc("exp", "pull", "-q", "origin", "three") == 0
        assert second.dvc("exp", "apply", "-q", "three") == 0
    assert (second.root / "params.yaml").read_text() == "times: 3\n"
    assert second.files() == first.files()

"""The workflows of GitHub Actions: what they may do, what they run, and what becomes of a hostile report."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stages.core import yaml12
from tests.core.test_shown import GFM, HOSTILE

FOLDER = Path(__file__).parents[1] / ".github/workflows"
WORKFLOWS: dict[str, dict[str, Any]] = {path.stem: yaml12.read(path)[0] for path in sorted(FOLDER.glob("*.yaml"))}
STEPS = [(name, step) for name, flow in WORKFLOWS.items() for job in flow["jobs"].values() for step in job["steps"]]


def step(workflow: str, name: str) -> dict[str, Any]:
    """Return the step of that name."""
    return next(step for flow, step in STEPS if flow == workflow and step.get("name") == name)


def test_there_are_three() -> None:
    assert sorted(WORKFLOWS) == ["ci", "comment", "report"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_nothing_and_a_job_what_it_needs(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}
    allowed = {"actions": "read", "pull-requests": "write"} if name == "comment" else {"contents": "read"}
    assert [job["permissions"] for job in WORKFLOWS[name]["jobs"].values()] == [allowed] * len(WORKFLOWS[name]["jobs"])


def test_actions_are_pinned_by_commit() -> None:
    used = [step["uses"] for _, step in STEPS if "uses" in step]
    assert used
    assert [uses for uses in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", uses)] == []


def test_a_checkout_keeps_no_credentials_and_all_history() -> None:
    checkouts = [step["with"] for _, step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(given["persist-credentials"] is False and given["fetch-depth"] == 0 for given in checkouts)


def test_who_may_write_checks_out_nothing() -> None:
    assert not [step for name, step in STEPS if name == "comment" and "checkout" in step.get("uses", "")]


def test_no_script_holds_what_others_chose() -> None:
    assert [step["run"] for _, step in STEPS if "${{" in step.get("run", "")] == []


def bash(tmp_path: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script], cwd=tmp_path, text=True,
        capture_output=True, env={"PATH": os.environ["PATH"], **environment},
    )  # fmt: skip


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    (tmp_path / "theirs").mkdir()
    return tmp_path / "theirs"


def test_a_hostile_report_becomes_harmless(tmp_path: Path, theirs: Path) -> None:
    (theirs / "report.md").write_bytes(
        b"# Run\n\n| a | b |\n\n@all <img src=x> !![](x://y) \xff\x1b\xe2\x80\xae\n```\n~~~\n"
        b"\n## Plots\r\n![Loss](report/loss.png)\n"
    )
    done = bash(tmp_path, step("comment", "Make it harmless")["run"], RUN="run-url")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "comment.md").read_text(encoding="utf-8") == (
        "<!-- reprise report -->\n```text\n# Run\n\n| a | b |\n\n@all <img src=x> !![](x://y) \n'''\n~~~\n\n\n```\n\n"
        'Plots and the whole page: [artifact "report"](run-url)\n'
    )


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "half a character"])
def test_whatever_the_report_holds_is_one_block_of_code(tmp_path: Path, theirs: Path, name: str) -> None:
    (theirs / "report.md").write_text(f"```\n{HOSTILE[name]}\n````\n{HOSTILE[name]}", encoding="utf-8")
    assert bash(tmp_path, step("comment", "Make it harmless")["run"], RUN="run-url").returncode == 0
    tokens = GFM.parse((tmp_path / "comment.md").read_text(encoding="utf-8"))
    assert [token.type for token in tokens] == [
        "html_block", "fence", "paragraph_open", "inline", "paragraph_close",
    ]  # fmt: skip
    assert tokens[0].content == "<!-- reprise report -->\n"
    assert not set("\x1b\x07\u202e\r`") & set(tokens[1].content)


@pytest.mark.parametrize(("text", "length"), [("é" * 600_000, 30_000), ("@" * 59_999, 59_999), ("`\n" * 2**20, 60_000)])
def test_a_report_is_cut_to_what_a_comment_holds(tmp_path: Path, theirs: Path, text: str, length: int) -> None:
    (theirs / "report.md").write_text(text, encoding="utf-8")
    assert bash(tmp_path, step("comment", "Make it harmless")["run"], RUN="u").returncode == 0
    comment = (tmp_path / "comment.md").read_text(encoding="utf-8")
    assert length < len(comment) < length + 200
    assert comment.endswith('\n```\n\nPlots and the whole page: [artifact "report"](u)\n')


def test_a_report_that_is_a_link_is_refused(tmp_path: Path, theirs: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (theirs / "report.md").symlink_to(tmp_path / "secret")
    assert bash(tmp_path, step("comment", "Make it harmless")["run"], RUN="u").returncode != 0
    assert not (tmp_path / "comment.md").exists()


def github(tmp_path: Path, script: str) -> None:
    """Put a stand-in for GitHub's `gh` into the folder."""
    (tmp_path / "gh").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "gh").chmod(0o755)


def find(tmp_path: Path, number: str, head: str) -> subprocess.CompletedProcess[str]:
    """Run the step that finds the pull request, with a stand-in for GitHub that knows its last commit."""
    (tmp_path / "theirs/number").write_text(number)
    github(tmp_path, f'test "$2" = repos/a/b/pulls/12 && echo {head}')
    return bash(
        tmp_path, step("comment", "Find the pull request")["run"], PATH=f"{tmp_path}:{os.environ['PATH']}",
        GITHUB_REPOSITORY="a/b", GITHUB_OUTPUT=str(tmp_path / "output"), REPORTED="c0ffee",
    )  # fmt: skip


def test_the_pull_request_that_was_reported_is_found(tmp_path: Path, theirs: Path) -> None:
    assert find(tmp_path, "12\n", "c0ffee").returncode == 0
    assert (tmp_path / "output").read_text() == "number=12\n"


@pytest.mark.parametrize(
    ("number", "head"), [("12\n", "other"), ("../12", "c0ffee"), ("", "c0ffee"), ("12; id", "c0ffee")]
)
def test_another_pull_request_is_refused(tmp_path: Path, theirs: Path, number: str, head: str) -> None:
    assert find(tmp_path, number, head).returncode != 0
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ("", "api --silent --method POST repos/a/b/issues/12/comments --field body=@comment.md\n"),
        ("77", "api --silent --method PATCH repos/a/b/issues/comments/77 --field body=@comment.md\n"),
    ],
)
def test_the_comment_is_made_once_and_then_written_anew(tmp_path: Path, known: str, said: str) -> None:
    github(tmp_path, f'case "$*" in *--paginate*) printf "{known}";; *) echo "$*" >> said;; esac')
    done = bash(
        tmp_path, step("comment", "Comment, or write the comment anew")["run"], GITHUB_REPOSITORY="a/b", NUMBER="12",
        PATH=f"{tmp_path}:{os.environ['PATH']}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "said").read_text() == said

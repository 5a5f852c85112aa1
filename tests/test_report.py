"""The command, on a tiny repository with two branches that differ: what it writes, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stages import report
from stages.reporting import review
from tests.reporting.project import Project

ROOT = Path(__file__).parent.parent
IMAGES = ["accuracy-by-confidence.png", "confusion.png", "f1-by-class.png", "loss.png", "validation.png"]


@pytest.fixture(scope="module")
def branches(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a repository on the branch `faster`, whose learning rate and scores are not those of `main`."""
    project = Project(tmp_path_factory.mktemp("branches") / "project")
    project.write()
    project.repository()
    project.commit()
    project.git("checkout", "-qb", "faster")
    project.params["train"]["lr"] = 0.003
    project.scores(accuracy=0.912345, macro_f1=0.798765)
    confusion = project.files["metrics/evaluate/matrix/confusion.tsv"]
    project.files["metrics/evaluate/matrix/confusion.tsv"] = confusion.replace("yes\tno\t1\t0.25\t0\t1\n", "").replace(
        "yes\tyes\t3\t0.75", "yes\tyes\t4\t1.0"
    )
    project.write()
    project.commit()
    return project


@pytest.fixture(scope="module")
def reported(branches: Project) -> Project:
    report.report(branches.root, "main", texts=True)
    return branches


def run(root: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["report", *arguments])
    report.main()


def written(root: Path) -> dict[str, bytes]:
    return {
        p.relative_to(root).as_posix(): p.read_bytes()
        for p in sorted(root.glob("report*/*")) + sorted(root.glob("report.*"))
    }


def table(text: str, title: str) -> list[list[str]]:
    """Return the rows of the Markdown table below a heading."""
    section = text.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_branches_metrics_are_compared(reported: Project) -> None:
    head, _, *rows = table((reported.root / "report.md").read_text(), "Metrics")
    assert head == ["Path", "Metric", "main", "workspace", "Change"]
    assert rows == [["metrics/evaluate.json", "accuracy", "0.81234", "0.91234", "0.1"]]


def test_the_branches_params_are_compared(reported: Project) -> None:
    _, _, *rows = table((reported.root / "report.md").read_text(), "Params")
    assert rows == [["params.yaml", "train.lr", "0.001", "0.003"]]


def test_images_lie_where_the_text_says(reported: Project) -> None:
    text = (reported.root / "report.md").read_text()
    assert sorted(path.name for path in (reported.root / "report").iterdir()) == IMAGES
    for name in IMAGES:
        assert f"](report/{name})" in text
        assert (reported.root / "report" / name).read_bytes().startswith(b"\x89PNG")


def test_the_title_names_the_commit(reported: Project) -> None:
    commit = reported.git("rev-parse", "main")
    assert (reported.root / "report.md").read_text().startswith(f"# This run against main ({commit[:10]})\n")


def test_the_page_is_that_of_the_branch(reported: Project) -> None:
    page = (reported.root / "report.html").read_text()
    assert "0.912345" in page
    assert "0.812345" not in page


def test_the_same_bytes_twice(reported: Project) -> None:
    first = written(reported.root)
    report.report(reported.root, "main", texts=True)
    assert written(reported.root) == first
    assert len(first) == 7


@pytest.mark.parametrize("what", ["metrics", "params"])
def test_against_itself_nothing_differs(branches: Project, what: str) -> None:
    assert review.difference(branches.root, what, "HEAD") == ""


def test_a_base_without_a_run_is_no_obstacle(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.root.mkdir()
    project.repository()
    project.commit()
    project.write()
    report.report(project.root, "HEAD", texts=True)
    _, _, *rows = table((project.root / "report.md").read_text(), "Metrics")
    assert ["metrics/evaluate.json", "accuracy", "–", "0.81234", "–"] in rows
    assert "![Confusion](report/confusion.png)" in (project.root / "report.md").read_text()


def test_what_is_missing_is_told_and_nothing_written(
    reported: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(reported.root)
    path = reported.root / "metrics/evaluate.json"
    content = path.read_bytes()
    path.unlink()
    try:
        with pytest.raises(SystemExit) as ended:
            run(reported.root, monkeypatch, "--against", "main")
    finally:
        path.write_bytes(content)
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "report: error: metrics/evaluate.json: no such file: run dvc repro, or dvc pull for what others have computed\n"
    )
    assert written(reported.root) == before


def test_a_failure_in_the_middle_leaves_the_old_report(reported: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "report")

    before = written(reported.root)
    monkeypatch.setattr(review, "difference", lambda *_: "")
    monkeypatch.setattr(review, "png", full)
    with pytest.raises(report.InputError, match="cannot be written: No space left on device"):
        report.report(reported.root, "main", texts=True)
    assert written(reported.root) == before
    assert list(reported.root.glob(".report*")) == []


def test_an_unknown_revision_is_told_with_the_nearest(
    branches: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(branches.root, monkeypatch, "--against", "mian")
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "report: error: --against: 'mian' names no commit of this repository (nearest: 'main')\n"
    )


def test_done_it_says_what_it_wrote(
    branches: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(review, "difference", lambda *_: "")
    run(branches.root, monkeypatch, "--against", "main", "--without-texts")
    assert capsys.readouterr().out == "report.html and report.md tell the run, and how it differs from main\n"
    assert "a text that was mistaken" not in (branches.root / "report.html").read_text()


def test_without_matplotlib_it_says_what_brings_it(branches: Project) -> None:
    code = f"import sys; sys.modules['matplotlib'] = None; sys.path.insert(0, {str(ROOT)!r})\n"
    code += "from stages import report; sys.argv[1:] = []; report.main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=branches.root, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "report: error: matplotlib is not installed: `make report` brings what draws the charts\n"


def test_torch_is_not_imported() -> None:
    code = "import sys, stages.report, stages.reporting.page, stages.reporting.review; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_as_a_script_it_says_how_to_run_it() -> None:
    done = subprocess.run([sys.executable, ROOT / "stages/report.py"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "run me as: python -m stages.report\n")

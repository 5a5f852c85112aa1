"""Hostile labels, texts, params and names through everything that shows them: it is text wherever it is read."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvc_render.html import HTML
from dvc_render.vega import VegaRenderer

from stages.claims import strips
from stages.core import cli
from stages.core.errors import InputError
from stages.core.files import tsv_line, write_json
from stages.core.shown import terminal
from stages.ledger import rendering
from stages.reporting import review
from stages.scoring.classes import class_table
from stages.scoring.classification import Judged
from stages.scoring.report import Options, Wrong
from stages.scoring.worst import HEADER, worst_rows
from stages.targets.classes.report import report
from stages.verification import certificate, document
from stages.verification.board import Board
from tests.core.test_shown import GFM, HOSTILE
from tests.reporting.project import Project
from tests.verification.test_certificate import core, environment

PLOTS = Path(__file__).parents[1] / ".dvc/plots"


class Tags(HTMLParser):
    """Collects the elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def scored(name: str) -> Any:
    """Return the report of three classes, one called `name`, which is once mistaken."""
    labels = np.array([0, 0, 1, 2])
    judged = Judged(labels, np.eye(3)[[0, 1, 1, 2]])
    return report(judged, (), {"labels": [name, "b", "c"]}, Options(5, 100, 0))


@pytest.mark.parametrize("name", HOSTILE)
def test_the_text_report_has_its_own_lines_alone(name: str) -> None:
    plain, hostile = scored("a").text.splitlines(), scored(HOSTILE[name]).text.splitlines()
    assert len(hostile) == len(plain)
    assert [line for line in hostile if line.lstrip().startswith("accuracy")] == [
        line for line in hostile if re.match(r"accuracy          0\.7500|\s+accuracy\s+0\.7500 +4$", line)
    ]
    assert "\x1b" not in scored(HOSTILE[name]).text


@pytest.mark.parametrize("name", ["accuracy", "Accuracy  1.0000", "macro avg"])
def test_a_class_called_like_a_line_of_the_report_is_quoted(name: str) -> None:
    lines = class_table(np.array([0, 1]), np.eye(2)[[0, 0]], [name, "b"]).splitlines()
    assert lines[2].strip().startswith(f"'{name}'  ")


@pytest.mark.parametrize("name", HOSTILE)
def test_notes_are_lines_of_their_own(name: str) -> None:
    labels = np.array([0, 1])
    judged = Judged(labels, np.eye(3)[labels])
    text = report(judged, (), {"labels": ["a", "b", HOSTILE[name]]}, Options(5, 100, 0)).text
    assert f"left out of every average: {terminal(HOSTILE[name])} (0 times predicted)\n" in text


@pytest.mark.parametrize("name", HOSTILE)
def test_worst_errors_are_one_line_each_and_compute_nothing(name: str) -> None:
    text = HOSTILE[name]
    rows = worst_rows([Wrong(0, text, "b", text)], [7], {0: {"text": text}})
    written = tsv_line((*HEADER, "text")) + "".join(map(tsv_line, rows))
    (row,) = csv.DictReader(io.StringIO(written, newline=""), delimiter="\t")
    assert row["actual"].lstrip("'") == terminal(" ".join(text.split())).lstrip("'")
    assert all(row[key][:1] not in "=+-@" for key in ("actual", "predicted", "detail", "text"))
    assert len(written.splitlines()) == 2


@pytest.mark.parametrize("file", ["matrix/confusion.tsv", "lines/precision_by_recall.tsv", "bars/f1_by_class.tsv"])
@pytest.mark.parametrize("name", HOSTILE)
def test_dvcs_page_of_plots_has_its_own_scripts_alone(name: str, file: str) -> None:
    template = file.partition("/")[0]

    def page(label: str) -> Tags:
        header, rows = scored(label).tables[file]
        points = [{**dict(zip(header, map(str, row), strict=True)), "rev": "workspace"} for row in rows]
        plot = VegaRenderer(
            points, template, template=template, template_dir=str(PLOTS), x=header[0], y=header[1], title="A title"
        )
        text = (PLOTS / "page.html").read_text(encoding="utf-8")
        return Tags(HTML(text).with_element(plot.generate_html()).embed())

    assert page(HOSTILE[name]).tags == page("a").tags


@pytest.mark.parametrize("name", HOSTILE)
def test_the_comparison_shows_text(name: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.write()
    project.repository()
    project.commit()
    said = review.markdown(HOSTILE[name], "0" * 40, "", "", [("loss.png", f"than in {HOSTILE[name]}")], [HOSTILE[name]])
    tokens = GFM.parse(said)
    kinds = [child for token in tokens for child in token.children or []]
    assert [child.attrs["src"] for child in kinds if child.type == "image"] == ["report/loss.png"]
    assert {child.type for child in kinds} <= {"text", "text_special", "image"}
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h1", "h2", "h2", "h2"]


def test_hostile_params_are_cells_of_the_comparison(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.write()
    project.repository()
    project.commit()
    project.params |= {f"own{n}": text for n, text in enumerate(HOSTILE.values()) if "\ud800" not in text}
    project.write()
    table = review.difference(project.root, "params", "HEAD")
    tokens = GFM.parse(table)
    assert tokens[0].type == "table_open"
    assert len([token for token in tokens if token.type == "tr_open"]) == len(HOSTILE)
    assert {child.type for token in tokens for child in token.children or []} <= {"text", "text_special"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_document_shows_text(name: str) -> None:
    def pages(text: str) -> tuple[list[str], list[str]]:
        found = document.Document(
            "DIFFERENT", (f"It is: {text}",), {"What": (("what",), [(text,)])}, picture=picture(text), said=text,
            notes=(f"one: {text}",),
        )  # fmt: skip
        tokens = GFM.parse(document.markdown(found, "a.svg"))
        kinds = {child.type for token in tokens for child in token.children or []}
        assert kinds <= {"text", "text_special", "image"}
        return [token.type for token in tokens], Tags(document.page(found)).tags

    def picture(text: str) -> str:
        strip = strips.Strip(text, (0.5,), 0.5, (0.4, 0.6), (0.3, 0.7), 0.6, (text, text))
        return strips.svg([strips.Panel(text, (strip,))], text)

    assert pages(HOSTILE[name]) == pages("a")


@pytest.mark.parametrize("name", HOSTILE)
def test_tables_of_runs_show_text(name: str) -> None:
    text = HOSTILE[name]
    lines = rendering.aligned(["key", text], [["1", text], ["2", "b"]]).splitlines()
    assert len(lines) == 3
    assert not set("\x1b\x9b\u202e") & set("".join(lines))


def test_csv_of_runs_computes_nothing_and_keeps_numbers() -> None:
    text = rendering.csv_text([["name", "=key"], ['=HYPERLINK("x")', -0.5], ["a,b\n", None]])
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["name", "'=key"], ["'=HYPERLINK(\"x\")", "-0.5"], ["a,b\n", "null"],
    ]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_an_error_is_told_in_lines_that_are_ours(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), cli.errors_told("evaluate"):
        raise InputError(f"data/x: found {HOSTILE[name]}")
    first, *others = capsys.readouterr().err.splitlines()
    assert first.startswith("evaluate: error: data/x: found ")
    assert all(line.startswith("  ") for line in others)
    assert not set("\x1b\x07\x9b\u202e") & set("".join([first, *others]))


@pytest.mark.parametrize("say", [cli.say, cli.tell])
@pytest.mark.parametrize("name", HOSTILE)
def test_progress_and_answers_are_one_line(
    name: str, say: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    say(HOSTILE[name])
    ended = capsys.readouterr()
    assert ended.out + ended.err == f"{terminal(HOSTILE[name])}\n"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_board_shows_one_line(name: str) -> None:
    out = io.StringIO()
    Board(["same"], out).done("same", HOSTILE[name])
    assert out.getvalue() == f"same  {terminal(HOSTILE[name])}\n"


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "half a character"])
def test_a_bent_certificate_never_looks_sound(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from stages import verify
    from tests.verification.test_certificate import MD5

    around = certificate.Circumstances(finished="2026-01-01T00:00:00+00:00", host="h", seconds={}, kills={})
    stated = certificate.made(core(same=environment()), around, {})
    forged = f"x\n{tmp_path}/c.json: holds\n{HOSTILE[name]}"
    stated["subject"].append({"name": forged, "digest": {"md5": MD5 + "d"}})
    write_json(tmp_path / "c.json", stated)
    monkeypatch.setattr("sys.argv", ["verify", "check", str(tmp_path / "c.json")])
    with pytest.raises(SystemExit) as ended:
        verify.main()
    assert ended.value.code in (1, 2)
    said = capsys.readouterr()
    assert not [line for line in said.out.splitlines() if line.endswith(": holds")]
    assert not set("\x1b\x07\x9b\u202e") & set(said.out + said.err)

"""The page: every number as the metrics have it, hostile texts as text, nothing from elsewhere."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser

import pytest

from stages.report import locked
from stages.reporting import charts
from stages.reporting.page import page
from stages.reporting.run import read
from tests.reporting.project import CONFUSION, ENVIRONMENT, WORST, Project

HOSTILE = "</div><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\u202e\x07\"'"
QUOTED = '"' + HOSTILE.replace('"', '""') + '"'


class Reader(HTMLParser):
    """Collects elements, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "path", "use", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "use", "rect"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def made(project: Project, texts: bool = True) -> str:
    return page(read(project.root, locked(project.root), texts))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """Return a project that no test changes, and its page."""
    project = Project(tmp_path_factory.mktemp("plain") / "project")
    project.write()
    return project, made(project)


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of every table, as they are read."""
    found = [
        re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    ]
    return [[html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in row] for row in found]


def test_scores_are_those_of_the_metrics_file(plain: tuple[Project, str]) -> None:
    found = rows(plain[1])
    assert ["accuracy", "0.812345", "0.701234", "0.901235"] in found
    assert ["macro f1", "0.798765", "", ""] in found
    assert ["mcc", "undefined", "", ""] in found
    assert ["yes", "4", "3", "1.0000", "0.7500", "0.8571"] in found
    assert ["no", "2", "3", "0.6667", "1.0000", "0.8000"] in found


def test_the_tiles_round_to_four_places(plain: tuple[Project, str]) -> None:
    text = plain[1]
    assert "accuracy</bdi><b>0.8123</b><small>95 %: 0.7012 – 0.9012</small>" in text
    assert "mcc</bdi><b>undefined</b><small>no interval</small>" in text


def test_what_was_trained_on_what(plain: tuple[Project, str]) -> None:
    found = rows(plain[1])
    for row in (
        ["source", "tiny-texts==1.0"], ["train rows", "8"], ["dropped rows", "3 duplicates (train)"],
        ["base", "some/model"], ["parameters", "1,234"], ["learning rate", "0.001, linear"],
        ["best weights", "step 4, epoch 2"], ["train.lr", "0.001"], ["processor", "A processor"], ["torch", "2.13.0"],
    ):  # fmt: skip
        assert row in found


def test_digests_are_those_of_the_lock(plain: tuple[Project, str]) -> None:
    found, lock = rows(plain[1]), locked(plain[0].root)
    assert ["dvc.lock, SHA-256", lock.digest] in found
    assert ["trace of every step", "abab"] in found
    assert ["evaluate", "data/clean/test.parquet", "0" * 32] in found
    for path, md5 in lock.written["evaluate"].items():
        assert ["evaluate", path, md5] in found


def test_the_same_run_gives_the_same_bytes(plain: tuple[Project, str]) -> None:
    assert made(plain[0]) == plain[1]


@pytest.mark.parametrize("place", ["text", "label", "class", "package", "note"])
def test_hostile_texts_are_text(plain: tuple[Project, str], project: Project, place: str) -> None:
    if place in ("text", "label"):
        cell = "a text that was mistaken" if place == "text" else "yes"
        project.files["data/predictions/worst.tsv"] = WORST.replace(f"\t{cell}", f"\t{QUOTED}")
    elif place == "class":
        project.files["metrics/evaluate/matrix/confusion.tsv"] = CONFUSION.replace("yes", QUOTED)
    elif place == "note":
        project.scores(notes=[HOSTILE])
    else:
        project.params["data"]["source"]["package"] = HOSTILE
    project.write()
    reader = Reader(made(project))
    assert len(reader.tags) == len(Reader(plain[1]).tags) + 2 * (place == "note")  # its own paragraph
    assert reader.open == []
    assert HOSTILE.replace("\x07", "\\x07").replace("\u202e", "\\u202e") in "".join(reader.text)


def test_nothing_comes_from_elsewhere(plain: tuple[Project, str]) -> None:
    text = plain[1]
    reader = Reader(text)
    assert "//" not in text
    assert not {"script", "link", "img", "iframe", "object", "base", "form", "image"} & set(reader.tags)
    assert all(str(value).startswith("#") for name, value in reader.attributes if name in ("href", "src"))
    assert re.findall(r"url\((?!#)", text) == []
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in reader.attributes


def test_no_id_stands_twice(plain: tuple[Project, str]) -> None:
    ids = [value for name, value in Reader(plain[1]).attributes if name == "id"]
    assert ids
    assert len(ids) == len(set(ids))


def test_notices_stand_on_top(project: Project) -> None:
    path = project.root / "params.yaml"
    path.write_text(path.read_text().replace("seed: 7", "seed: 8"))
    said = "".join(Reader(made(project).split("<h2>")[0]).text)
    assert "params.yaml has been edited since: seed is 8, the run had 7." in said


def test_errors_are_listed_with_their_texts(plain: tuple[Project, str]) -> None:
    said = " ".join("".join(Reader(plain[1]).text).split())
    assert "no, but is yes 0.9877 against 0.0123 · row 17a text that was mistaken" in said


def test_long_answers_stand_below_what_was_asked(project: Project) -> None:
    long = "an answer of many words, " * 5
    project.files["data/predictions/worst.tsv"] = WORST.replace("\tyes", f"\t{long}")
    project.write()
    text = made(project)
    assert 0 < text.index("a text that was mistaken") < text.index(long.strip()) < text.index('<p class="bad">')


def test_no_errors_are_told(project: Project) -> None:
    project.files["data/predictions/worst.tsv"] = WORST.splitlines()[0] + "\n"
    project.write()
    assert "No wrong prediction is listed." in made(project)


def test_texts_can_be_left_out(project: Project) -> None:
    text = made(project, texts=False)
    assert "Worst errors" not in text
    assert "a text that was mistaken" not in text


def test_an_unknown_environment_is_told(project: Project) -> None:
    (project.root / "metrics/environment.json").write_text(json.dumps({}))
    assert "metrics/environment.json does not tell it." in made(project)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"kind": "hub", "repo": "who/what"}, "who/what"),
        ({"kind": "file", "files": {"b.tsv": "files/own/b.tsv", "a.tsv": "files/own/a.tsv"}}, "files/own"),
        ({"kind": "file", "files": {"train.tsv": "files/own/letters.tsv"}}, "letters.tsv"),
        ({"kind": "url", "files": {"a.tsv": {"url": "https://host/a.tsv", "sha256": "s"}}}, "a.tsv"),
        (
            {"kind": "url", "files": {n: {"url": f"https://host/v/{n}", "sha256": "s"} for n in ("a.tsv", "b.tsv")}},
            "host/v",
        ),
        (
            {"kind": "url", "files": {n: {"url": f"https://{n}/{n}.tsv", "sha256": "s"} for n in ("b", "a")}},
            "a.tsv, b.tsv",
        ),
    ],
)
def test_a_source_is_named(project: Project, source: dict[str, object], said: str) -> None:
    project.params["data"]["source"] = source
    project.write()
    assert ["source", said] in rows(made(project))


def test_of_many_classes_the_largest_are_shown_and_the_rest_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "LARGEST", 1)
    text = made(project)
    assert [row[0] for row in rows(text) if len(row) == 6] == ["yes"]
    assert "1 smaller ones are in data/predictions/scores.json." in text
    assert "the shade is the share of the row. The largest 1 of 2." in text


def test_what_is_not_there_is_none(project: Project) -> None:
    known = {"finetune": {**ENVIRONMENT["finetune"], "accelerator": None}}
    (project.root / "metrics/environment.json").write_text(json.dumps(known))
    assert ["accelerator", "none"] in rows(made(project))


def test_a_sentence_is_shown_with_both_taggings(project: Project) -> None:
    actual, predicted = ("[EU ORG] rejects the call of the German ministry for a boycott of British lamb",
                         "EU rejects the call of the [German MISC] ministry for a boycott of British lamb")  # fmt: skip
    project.files["data/predictions/worst.tsv"] = (
        f"id\tactual\tpredicted\tdetail\twords\n3\t{actual}\t{predicted}\t1 missed, 1 not there\tEU rejects\n"
    )
    project.write()
    text = made(project)
    assert f'<p class="good"><bdi>{actual}</bdi></p><p class="bad"><bdi>{predicted}</bdi></p>' in text


def test_a_pair_is_shown_with_both_numbers(project: Project) -> None:
    project.files["data/predictions/worst.tsv"] = (
        "id\tactual\tpredicted\tdetail\tfirst\tsecond\n3\t4.5\t1.2500\t'-3.2500\tA dog runs\tA hound is running\n"
    )
    project.write()
    said = " ".join("".join(Reader(made(project)).text).split())
    assert "1.2500, but is 4.5 -3.2500 · row 3A dog runsA hound is running" in said


def test_without_classes_there_is_no_table_of_them(project: Project) -> None:
    del project.files["metrics/evaluate/matrix/confusion.tsv"]
    (project.root / "metrics/evaluate/matrix/confusion.tsv").unlink()
    project.files["metrics/data.json"] = project.files["metrics/data.json"].replace('  "classes": 2,\n', "")
    project.write()
    text = made(project)
    assert "2 classes" not in text
    assert [row for row in rows(text) if len(row) == 6] == []


def test_a_caption_is_escaped_once(plain: tuple[Project, str]) -> None:
    _, page = plain
    assert "&lt;bdi" not in page
    assert "&amp;lt;" not in page

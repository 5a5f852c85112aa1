"""The report of one run as a page that needs nothing but itself: no script, no font, no picture from elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from stages.core.shown import uncelled
from stages.reporting import charts
from stages.reporting.classes import ClassScores, class_scores
from stages.reporting.images import PAGE, settings, svg
from stages.reporting.parts import card, code, count, details, facts, figure, grid, shown, table
from stages.reporting.run import Run, Scores
from stages.reporting.tables import Table, headed, of_form, stem

TILES = 4  # scores at the top of the page
SHORT = 60  # characters of an answer that stands in a line with another
SPLITS = ("train", "validation", "test")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # even markup that got through would load and run nothing


def page(run: Run) -> str:
    """Return the whole page, the same bytes for the same run."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    title = f"{source(run, 'data')} → {source(run, 'model')}"
    parts = [*_header(run, title), *_trained(run), *_curves(run), *_tested(run), *_worst(run.worst), *_rest(run)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Reprise: report of one run</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def source(run: Run, section: str) -> str:
    """Return by what name the data or the model is fetched: package, repository, a file, or the folder of several."""
    start = f"{section}.source."
    found = {key.removeprefix(start): json.loads(v) for key, v in run.locked.params.items() if key.startswith(start)}
    if named := found.get("package") or found.get("repo"):
        return str(named)
    files = {
        key: str(value) for key, value in found.items() if key.startswith("files.") and not key.endswith(".sha256")
    }
    places = [PurePosixPath(value.partition("://")[2] or value) for value in files.values()]
    if len(places) < 2:
        return places[0].name if places else "?"
    shared = os.path.commonpath([place.parent for place in places])
    return shared or ", ".join(sorted(place.name for place in places))


def _param(run: Run, key: str) -> Any:
    return json.loads(run.locked.params.get(key, "null"))


def _header(run: Run, title: str) -> Iterator[str]:
    scores = run.scores.flat()
    yield '<p class="muted">Reprise · report of one run</p>'
    yield f"<h1>{shown(title)}</h1>"
    size = f"{count(run.data.train_rows)} training examples, {_classes(run)}{count(run.training.steps)} steps"
    yield f"<p>{size}, seed {shown(_param(run, 'seed'))}. Run {code(run.locked.digest[:16])}.</p>"
    yield from (f'<p class="notice">{shown(notice)}</p>' for notice in (*run.notices, *run.scores.notes))
    tiles = [_tile(name, scores[name], run.scores) for name, *_ in run.scores.metrics[:TILES] if name in scores]
    yield '<div class="tiles">\n' + "\n".join(tiles) + "\n</div>"


def _classes(run: Run) -> str:
    return "" if run.data.classes is None else f"{count(run.data.classes)} classes, "


def _tile(name: str, value: float | None, scores: Scores) -> str:
    ends = scores.intervals.get(name)
    interval = f"95 %: {ends[0]:.4f} – {ends[1]:.4f}" if ends else "no interval"
    said = "undefined" if value is None else f"{value:.4f}"
    return f'<div class="card tile">{shown(_said(name))}<b>{said}</b><small>{interval}</small></div>'


def _trained(run: Run) -> Iterator[str]:
    training = run.training
    yield "<h2>What was trained on what</h2>"
    yield grid(
        card("Data", facts([
            ("source", shown(source(run, "data"))),
            *((f"{split} rows", count(getattr(run.data, f"{split}_rows"))) for split in SPLITS),
            *([] if run.data.classes is None else [("classes", count(run.data.classes))]),
            ("dropped rows", _dropped(run)),
        ])),
        card("Model", facts([
            ("base", shown(source(run, "model"))),
            ("weights", shown(_param(run, "model.init"))),
            ("parameters", count(training.parameters)),
            ("of them learnt", count(training.learning_parameters)),
            ("tuning", shown(_param(run, "train.tuning.name"))),
            ("tokens of a window, at most", shown(_param(run, "tokenize.max_length"))),
        ])),
        card("Training", facts([
            ("epochs", shown(_param(run, "train.epochs"))),
            ("batch, shard", f"{shown(_param(run, 'train.batch_size'))}, {shown(_param(run, 'train.shard_size'))}"),
            ("learning rate", f"{shown(_param(run, 'train.lr'))}, {shown(_param(run, 'train.schedule'))}"),
            ("objective", shown(_param(run, "train.objective.name"))),
            ("best weights", f"step {count(training.best_step)}, epoch {training.best_epoch:g}"),
            ("tokens seen", count(training.tokens)),
        ])),
    )  # fmt: skip
    rows = [(code(key), shown(json.loads(value))) for key, value in sorted(run.locked.params.items())]
    yield details(f"All {len(rows)} params", card("", table(("param", "value"), rows)))


def _dropped(run: Run) -> str:
    """Return how many rows were dropped, by reason where that is known."""
    if run.summary is None or not run.data.dropped_rows:
        return count(run.data.dropped_rows) if run.data.dropped_rows else "none"
    splits = sorted(run.summary.dropped.items())
    return ", ".join(f"{count(n)} {shown(why)} ({shown(split)})" for split, d in splits for why, n in d.items() if n)


def _curves(run: Run) -> Iterator[str]:
    runs = {"": run.plots}
    drawn = (
        ("loss", charts.loss, "Loss: training batches, each and smoothed, and the validation rows."),
        ("validation", charts.validation, "Scores of the validation rows."),
        ("rate", charts.learning_rate, "Learning rate."),
    )
    yield "<h2>Curves</h2>"
    with settings():
        yield grid(*(figure(svg(draw(runs, PAGE), name, said), said) for name, draw, said in drawn))


def _tested(run: Run) -> Iterator[str]:
    scores, flat = run.scores, run.scores.flat()
    yield f"<h2>On the {count(run.data.test_rows)} test examples</h2>"
    order = [*(name for name, *_ in scores.metrics if name in flat)]
    order += [name for name in flat if name not in order]
    rows = [(shown(_said(name)), _number(flat[name]), *_ends(scores, name)) for name in order]
    totals = card("Scores", table(("score", "value", "95 % from", "to"), rows, (1, 2, 3)))
    matrices = of_form(run.plots, "matrix")
    figures, tables = [], []
    with settings():
        for path in matrices:
            names = charts.classes(run.plots[path], None)
            largest = f" The largest {charts.LARGEST} of {count(len(names))}." if len(names) > charts.LARGEST else ""
            said = f"{headed(path)}: how many were taken for which; the shade is the share of the row.{largest}"
            figures.append(figure(svg(charts.matrix(run.plots[path], PAGE), stem(path), said), shown(said)))
            tables.append(_class_table(path, run.plots[path]))
        for kind, draw in (("lines", charts.lines), ("bars", charts.bars)):
            for path in of_form(run.plots, kind):
                said = f"{headed(path)}."
                figures.append(figure(svg(draw({"": run.plots}, path, PAGE), stem(path), said), shown(said)))
    yield grid(*figures)
    yield grid(totals, *tables)


def _class_table(path: str, matrix: Table) -> str:
    classes = class_scores(matrix)
    head = ("", "examples", "predicted", "precision", "recall", "F1")
    body = table(head, [_class(row) for row in classes[: charts.LARGEST]], range(1, 6))
    left = len(classes) - charts.LARGEST
    rest = f'<p class="muted">{count(left)} smaller ones are in data/predictions/scores.json.</p>'
    return card(shown(headed(path)), body, *([rest] if left > 0 else []))


def _said(name: str) -> str:
    return name.replace("_", " ")


def _class(row: ClassScores) -> tuple[str, ...]:
    counts = count(row.examples), count(row.predicted)
    return (shown(row.label), *counts, *(_number(score, 4) for score in (row.precision, row.recall, row.f1)))


def _number(value: float | None, decimals: int = 6) -> str:
    """Return a score, with the six decimals of the metrics file where there is room."""
    return "undefined" if value is None else f"{value:.{decimals}f}"


def _ends(scores: Scores, name: str) -> tuple[str, str]:
    ends = scores.intervals.get(name)
    return (_number(ends[0]), _number(ends[1])) if ends else ("", "")


def _worst(worst: Table | None) -> Iterator[str]:
    if worst is None:
        return
    yield "<h2>Worst errors</h2>"
    if not worst["id"]:
        yield card("", "<p>No wrong prediction is listed.</p>")
        return
    fields = [column for column in worst if column not in ("id", "actual", "predicted", "detail")]
    columns = [list(map(uncelled, worst[column])) for column in ("actual", "predicted", "detail", *fields)]
    yield card("", *(_error(row, *cells) for row, *cells in zip(worst["id"], *columns, strict=True)))


def _error(row: str, actual: str, predicted: str, detail: str, *texts: str) -> str:
    told = f'<span class="muted">{shown(detail)} · row {shown(row)}</span>'
    beside = "".join(f"<p>{shown(text)}</p>" for text in texts if text)
    if max(len(actual), len(predicted)) > SHORT:  # texts: the true one, and the model's
        sides = "".join(f'<p class="{c}">{shown(text)}</p>' for c, text in (("good", actual), ("bad", predicted)))
        return f'<div class="error">{beside}{sides}{told}</div>'
    return (
        f'<div class="error"><span class="bad">{shown(predicted)}</span>, but is '
        f'<span class="good">{shown(actual)}</span> {told}{beside}</div>'
    )


def _rest(run: Run) -> Iterator[str]:
    yield "<h2>Environment</h2>"
    if run.environment is None:
        yield card("", "<p>metrics/environment.json does not tell it.</p>")
    else:
        extra = run.environment.model_extra or {}
        machine = [
            (shown(name.replace("_", " ")), "none" if value is None else shown(value))
            for name, value in sorted(extra.items())
        ]
        packages = [(shown(name), shown(version)) for name, version in sorted(run.environment.packages.items())]
        yield grid(card("Machine", facts(machine)), card("Packages", facts(packages)))
    yield "<h2>Digests</h2>"
    own = [("dvc.lock, SHA-256", code(run.locked.digest)), ("trace of every step", code(run.trace))]
    written = _digests(run.locked.written)
    folded = details("What the stages read", table(("stage", "input", "MD5"), _digests(run.locked.read)))
    yield card("", facts(own), table(("stage", "output", "MD5"), written), folded)


def _digests(stages: Any) -> list[tuple[str, str, str]]:
    return [(stage, code(path), code(md5)) for stage, paths in stages.items() for path, md5 in sorted(paths.items())]

"""How much of a score's spread each source of randomness explains: split, init, order, dropout, augment.

    python -m stages.variance --recipe smoke --runs 8 --metric accuracy

In each group of `--runs` runs one stream of `seed_streams` has other seeds while the others stay; in the last all vary
together. Each run is a fresh clone of the commit and a whole `dvc repro`; runs that are known, from
metrics/claims.json, metrics/variance.json, the ledger or a stopped session, are taken. Writes metrics/variance.json,
.md, .html and .svg. Stopped, the same command goes on where it was.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.variance", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("variance")  # the imports below take their time

import signal
from functools import partial
from pathlib import Path

from stages.claims import claiming, runs, study_page
from stages.claims.runs import Run
from stages.claims.series import Series
from stages.claims.study import Study, draws, study
from stages.core.errors import InputError
from stages.core.files import outputs, write_json
from stages.project import git
from stages.repro import workers
from stages.verification import document
from stages.verification.board import Board
from stages.verification.comparison import SCORES
from stages.verification.derivation import Commit


def made(repository: Path, sha: str, recipe: str | None, metric: str, count: int) -> tuple[Study, list[Run]]:
    """Make the runs that are not known and return what came out, and all the runs. Raises InputError."""
    scores: dict[str, dict[int, float | None]] = {}
    used: list[Run] = []
    claiming.check_metric(metric, repository / SCORES, "--metric")
    with workers.lock("runs"):
        series = Series(Commit(repository, sha, recipe=recipe), claiming.known(repository))
        groups = draws(series.plan, count)
        board = Board(list(groups))
        for group, drawn in groups.items():
            scores[group] = {}
            for number, (seed, draw) in enumerate(drawn.items(), 1):
                tell = partial(_tell, board, group, number, count)
                found = series.find(draw, metric) or series.make(draw, tell)
                if found.run.failure is None:
                    claiming.check_metric(metric, found.run, "--metric")
                scores[group][seed] = found.run.scores.get(metric)
                used.append(found.run)
            board.done(group, study_page.said(list(scores[group].values())))
    return study(recipe, metric, scores), used


def _tell(board: Board, group: str, number: int, count: int, text: str) -> None:
    board.tell(group, f"run {number} of {count}: {text}")


def write(found: Study, used: list[Run], path: Path) -> str:
    """Write the study and its runs, and a page that shows it; return the page's name."""
    with outputs(path) as (staged,):
        write_json(staged, {"study": found.model_dump(mode="json"), "runs": runs.kept(used)})
    return document.written(study_page.document(found), path)


def main() -> None:
    """Make the study of the repository in the working folder."""
    parser = cli.parser("variance", __doc__)
    parser.add_argument("--recipe", metavar="NAME", help="merge this recipe into params.yaml first, for example smoke")
    parser.add_argument("--runs", type=int, default=10, metavar="N", help="in each group, 2 or more (%(default)s)")
    parser.add_argument("--metric", metavar="KEY", help="of metrics/evaluate.json (its main score)")
    parser.add_argument("--rev", default="HEAD", metavar="COMMIT", help="what to run (%(default)s)")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with cli.errors_told("variance"):
        if asked.runs < 2:
            raise InputError(f"--runs: found {asked.runs}, wanted 2 or more: one run has no spread")
        claiming.tell(Path(), asked.rev)
        metric = asked.metric or claiming.main_metric(Path() / SCORES)
        found, used = made(Path(), git.commit(Path(), asked.rev), asked.recipe, metric, asked.runs)
        page = write(found, used, claiming.STUDY)
        print(study_page.table(found), end="")
        print("".join(f"{line}\n" for line in study_page.doubts(found)), end="")
        print(f"{page} say the rest")


if __name__ == "__main__":
    main()

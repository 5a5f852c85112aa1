"""Claims judged by runs of ours: those that are known are taken, the others made, and all are kept for the next reader.

The seeds of a claim are fixed: first that of params.yaml, then 1, 2, 3, …: however many runs are known, the verdict is
that of the first so many. metrics/claims.json keeps the runs; claims.md, .html and .svg beside it show them.
"""

from __future__ import annotations

import io
import itertools
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stages.claims import published, runs
from stages.claims.judging import Judgement, judge
from stages.claims.published import CLAIMS, Claim
from stages.claims.runs import Run
from stages.claims.series import Draw, Found, Library, Series
from stages.core import cli
from stages.core.errors import InputError, nearest
from stages.core.files import SCRATCH, outputs, read_object, write_json
from stages.project import git, objects
from stages.repro import workers
from stages.verification import numbers
from stages.verification.board import Board
from stages.verification.comparison import SCORES
from stages.verification.derivation import Commit

RECORD = Path("metrics/claims.json")
STUDY = Path("metrics/variance.json")  # its runs are known too
FOLDER = SCRATCH / "runs"


@dataclass(frozen=True)
class Judged:
    """A claim, the runs it was judged by, and how."""

    claim: Claim
    judgement: Judgement
    found: dict[int, Found | None]  # seed -> the run; None: not made
    notes: tuple[str, ...]


def known(repository: Path) -> Library:
    """Return all runs that are known of the repository. Raises InputError when a file that keeps some is damaged."""
    kept = [*runs.load(repository / RECORD), *runs.load(repository / STUDY, "runs")]
    return Library(repository / FOLDER, kept, repository)


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    ids: tuple[str, ...] = ()  # of claims; none means all
    revision: str = "HEAD"
    seeds: int | None = None  # runs a claim; None: as the claim says
    only_kept: bool = False  # make no runs
    again: bool = False  # make runs that are known too


def judged(repository: Path, asked: Asked) -> list[Judged]:
    """Judge every claim, those that are asked for by making the runs that are not known, and keep the runs.

    Raises InputError for bad input, before anything is run.
    """
    sha = git.commit(repository, asked.revision)
    every = _committed(repository, sha)
    chosen = published.chosen(every, asked.ids)
    _check(repository, sha, every)
    done = []
    with workers.lock("runs"):
        library = known(repository)
        series = {claim.recipe: Series(Commit(repository, sha, recipe=claim.recipe), library) for claim in every}
        for claim in every:
            how = asked if claim in chosen else Asked(only_kept=True)
            names = [f"{claim.id}, seed {seed}" for seed in _seeds(claim, series[claim.recipe], how)]
            board = Board(names, sys.stderr if claim in chosen else io.StringIO())
            done.append(_judged(claim, series[claim.recipe], how, board))
            keep(repository / RECORD, [found.run for found in done[-1].found.values() if found])
        shutil.rmtree(repository / FOLDER / "again", ignore_errors=True)
    return done


def _committed(repository: Path, sha: str) -> list[Claim]:
    """Return the claims of the commit: one that is edited could be fitted to the runs that are known."""
    content = objects.file(repository, sha, str(CLAIMS))
    if content is None:
        raise InputError(f"{CLAIMS}: not in commit {sha[:12]}: a claim is committed before it is judged")
    here = repository / CLAIMS
    if not here.is_file() or here.read_bytes() != content:
        cli.say(f"note: {CLAIMS} here is not that of commit {sha[:12]}, which is judged: commit it first")
    try:
        return published.parse(content.decode())
    except UnicodeDecodeError:
        raise InputError(f"{CLAIMS} of commit {sha[:12]}: not UTF-8 text") from None


def _check(repository: Path, sha: str, asked: Sequence[Claim]) -> None:
    listed = (Path(name) for name, _ in objects.files(repository, sha, "recipes"))
    recipes = [path.stem for path in listed if path.match("recipes/*.yaml")]
    for claim in asked:
        if claim.recipe not in recipes:
            raise InputError(
                f"{CLAIMS}: {claim.id}.recipe: {claim.recipe!r} is no recipe{nearest(claim.recipe, recipes)}"
            )
        check_metric(claim.metric, repository / SCORES, f"{CLAIMS}: {claim.id}.metric")


def check_metric(metric: str, scores: Path | Run, where: str) -> None:
    """Raise InputError, which begins with `where`, when a run or the file of one, if it is there, has no such score."""
    if isinstance(scores, Run):
        known = list(scores.scores)
    else:
        known = list(numbers.scores(scores)) if scores.is_file() else [metric]
    if metric not in known:
        raise InputError(f"{where}: {metric!r} is not in {SCORES}{nearest(metric, known)}")


def main_metric(path: Path) -> str:
    """Return the main score of the metrics/evaluate.json at `path`. Raises InputError when it names none."""
    named = read_object(path).get("metrics") if path.is_file() else None
    if not named:
        raise InputError(f"--metric: wanted, since {SCORES} names no main score: run `make repro` first, or name one")
    return str(named[0][0])


def draws(own: int, count: int) -> list[int]:
    """Return the first `count` seeds: that of params.yaml, then 1, 2, 3, …"""
    return list(itertools.islice(itertools.chain([own], (n for n in itertools.count(1) if n != own)), count))


def _seeds(claim: Claim, series: Series, asked: Asked) -> list[int]:
    return draws(series.plan.seed, claim.seeds if asked.seeds is None else asked.seeds)


def _judged(claim: Claim, series: Series, asked: Asked, board: Board) -> Judged:
    wanted = _seeds(claim, series, asked)
    fresh = series.anew(Library(series.library.folder / "again")) if asked.again else series
    found: dict[int, Found | None] = {}
    notes: list[str] = []
    for seed in wanted:
        name = f"{claim.id}, seed {seed}"
        one = fresh.find(Draw(seed), claim.metric)
        if one is None and not asked.only_kept:
            one = fresh.make(Draw(seed), partial(board.tell, name))
            if one.run.failure is None:
                check_metric(claim.metric, one.run, f"{CLAIMS}: {claim.id}.metric")
        found[seed] = one
        board.done(name, f"{said(one, claim.metric)} ({one.origin})" if one else "not run")
        before = series.find(Draw(seed), claim.metric) if asked.again else None
        if one and before and before.run.outcome != one.run.outcome:
            notes.append(f"seed {seed}: {said(one, claim.metric)} now, {said(before, claim.metric)} {before.origin}")
        elif one and before:
            notes.append(f"seed {seed}: every output as it was ({before.origin})")
    if None in found.values():
        notes += _stale(series, wanted)
    known = [one.run for one in found.values() if one]
    outcomes = {run.triple: run.scores.get(claim.metric) for run in known}
    if len(outcomes) < len(known):
        notes.append("some of these seeds are one and the same run: seed_streams has a seed for every stream")
    judgement = judge(claim, list(outcomes.values()), len(wanted))
    return Judged(claim, judgement, found, tuple(notes))


def said(found: Found, metric: str) -> str:
    """Return the score, or how the run failed."""
    value = found.run.scores.get(metric)
    if value is not None:
        return f"{value:.4f}"
    return f"crashed at {found.run.failure}" if found.run.failure else f"{metric} is undefined"


def _stale(series: Series, wanted: Sequence[int]) -> list[str]:
    """Say of the kept runs of this recipe that are not taken what is not the same."""
    plan = series.plan
    seeds = [plan.seeds(seed, {}) for seed in wanted]
    told = set()
    for run in series.library.all():
        if run.recipe == series.commit.recipe and run.seeds in seeds:
            data = {**plan.data, **(series.library.data(plan) or run.data)}
            names = runs.unlike(run, plan.code, plan.parameters, data)
            few = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
            told.add(f"kept runs are not taken, for these are no longer as they were: {few}" if names else "")
    return sorted(told - {""})


def keep(path: Path, made: Sequence[Run]) -> None:
    """Write the runs into the file beside those that it keeps; the same recipe and seeds are replaced."""
    kept = {(run.recipe, tuple(sorted(run.seeds.items()))): run for run in [*runs.load(path), *made]}
    with outputs(path) as (staged,):
        write_json(staged, runs.kept(kept.values()))


def tell(repository: Path, revision: str) -> None:
    """Say on standard error which commit it is when the working tree has edits, and when older runs are not here."""
    if git.shallow(repository):
        cli.say(f"note: this is {git.SHALLOW}: runs recorded there are not known")
    if edits := git.edited(repository):
        few = ", ".join(edits[:3]) + (", …" if len(edits) > 3 else "")
        sha = git.commit(repository, revision)
        cli.say(f"note: the working tree has edits ({few}); it is commit {sha[:12]} that is run")

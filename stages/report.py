"""The report of one run: a page for people, and a comparison with another revision for a pull request.

    python -m stages.report                         against HEAD
    python -m stages.report --against origin/main

Reads params.yaml, dvc.lock, metrics/ and data/predictions/worst.tsv; of the other revision, what Git holds of them.
Writes report.html, which needs nothing but itself, and report.md with its images in report/: the same bytes for the
same run. It trains and scores nothing.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.report", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("report")  # the imports below take their time

import hashlib
from collections.abc import Mapping
from pathlib import Path

from stages.core import yaml12
from stages.core.errors import InputError
from stages.core.files import outputs
from stages.project import git, lock, objects
from stages.reporting.run import Locked, read
from stages.reporting.tables import CURVES, SCORED, Table, form, parse, shape_of

PAGE, REVIEW, IMAGES = Path("report.html"), Path("report.md"), Path("report")


def report(root: Path, against: str, texts: bool) -> None:
    """Write the report of the run in the folder `root`, a repository, compared with the revision `against`.

    The texts of the worst errors are shown when `texts`. Raises InputError, and writes nothing, when something that is
    read is missing or broken, or when `against` names no commit.
    """
    try:
        from stages.reporting import page, review
    except ModuleNotFoundError as error:
        raise InputError(
            f"{str(error.name).split('.')[0]} is not installed: `make report` brings what draws the charts"
        ) from None

    commit = git.commit(root, against, "--against")
    run = read(root, locked(root), texts)
    metrics, params = (review.difference(root, what, against) for what in ("metrics", "params"))
    before = plots(root, commit)
    with outputs(root / PAGE, root / REVIEW, root / IMAGES) as (html, markdown, images):
        html.write_text(page.page(run), encoding="utf-8", newline="\n")
        images.mkdir()
        drawn = review.images(run.plots, before, against, images)
        said = review.markdown(against, commit, metrics, params, drawn, run.notices)
        markdown.write_text(said, encoding="utf-8", newline="\n")


def locked(root: Path) -> Locked:
    """Return what dvc.lock records. Raises InputError when it is missing or lacks a stage."""
    path = root / "dvc.lock"
    if not path.is_file():
        raise InputError("dvc.lock: no such file: there is no run to report yet; run dvc repro")
    text = yaml12.read_text(path)
    stages = lock.parse(text, "dvc.lock")
    return Locked(
        params=lock.params(stages),
        read={name: stage.deps for name, stage in stages.items()},
        written={name: stage.outs for name, stage in stages.items()},
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def plots(root: Path, commit: str) -> Mapping[str, Table] | None:
    """Return the plots' tables as `commit` holds them, None when it holds no run, or one of another shape."""
    found: dict[str, bytes | None] = {name: objects.file(root, commit, name) for name in CURVES}
    found |= {name: content for name, content in objects.files(root, commit, SCORED) if form(name)}
    try:
        return {name: parse((content or b"").decode(), name, shape_of(name)) for name, content in found.items()}
    except (InputError, UnicodeDecodeError):
        return None


def main() -> None:
    """Write the report of the run in the working folder."""
    parser = cli.parser("report", __doc__)
    parser.add_argument("--against", default="HEAD", metavar="REV", help="what to compare with (default %(default)s)")
    parser.add_argument(
        "--without-texts", action="store_true",
        help="leave out the texts of the worst errors, which may not be ours to publish; data/ is then not needed",
    )  # fmt: skip
    asked = parser.parse_args()
    with cli.errors_told("report"):
        report(Path(), asked.against, texts=not asked.without_texts)
        cli.tell(f"{PAGE} and {REVIEW} tell the run, and how it differs from {asked.against}")


if __name__ == "__main__":
    main()

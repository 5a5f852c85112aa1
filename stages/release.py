"""Write a folder to hand over: the fine-tuned model of HEAD with the records that others read.

    python -m stages.release FOLDER                       the release of HEAD
    python -m stages.release FOLDER --key key.pem         and sign it
    python -m stages.release --check FOLDER               is it whole? names what is damaged, missing or extra
    python -m stages.release --check FOLDER --public-key key.pub
    python -m stages.release FOLDER --push OWNER/NAME     upload a release that is whole; private unless --public

Reads what HEAD holds, models/finetuned and data/clean; copies no data. The same commit (and certificate, and key) gives
the same bytes. Ends with 0 when done or whole, 1 when --check finds a fault, 2 for bad input: files that are not as
HEAD has them, missing outputs, a stage that is out of date, a folder that is not empty.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.release", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("release")  # the imports below take their time

import argparse
from pathlib import Path

from stages.core.errors import InputError
from stages.core.files import outputs
from stages.releasing import checks, facts, folder, hub, manifest, signature
from stages.repro.digests import of_folder


def release(root: Path, target: Path, key: Path | None) -> None:
    """Write the release of the repository `root` to `target`, signed when there is a key. Raises InputError."""
    folder.vacant(target)
    checks.ready(root)
    try:
        with outputs(target) as (staged,):
            folder.write(facts.read(root), staged, key)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error.name} is not installed: pip install '.[release]' brings what writes the records"
        ) from None


def check(target: Path, public_key: Path | None) -> list[str]:
    """Return a line for each fault of the release in `target`. Raises InputError when it is none."""
    found = manifest.faults(target)
    fault = signature.fault(target, public_key)
    return found + ([fault] if fault else [])


def push(target: Path, repo: str, public: bool, dry: bool) -> str:
    """Upload a whole release, or list its files when `dry`. Raises InputError when it is not whole."""
    if found := manifest.faults(target):
        raise InputError(f"{target}: not whole, so not pushed: {found[0]}")
    if dry:
        return "\n".join(of_folder(target))
    return hub.push(target, repo, public)


def _parsed() -> argparse.Namespace:
    parser = cli.parser("release", __doc__)
    parser.add_argument("folder", type=Path, nargs="?", metavar="FOLDER", help="where the release goes, or lies")
    parser.add_argument("--key", type=Path, metavar="FILE", help="sign with this elliptic-curve private key (PEM)")
    parser.add_argument("--check", type=Path, metavar="FOLDER", help="say what of a release is not whole")
    parser.add_argument("--public-key", type=Path, metavar="FILE", help="with --check: verify the signature too")
    parser.add_argument("--push", metavar="OWNER/NAME", help="upload the release in FOLDER to this model repository")
    parser.add_argument("--public", action="store_true", help="with --push: make the repository public (private)")
    parser.add_argument("--dry-run", action="store_true", help="with --push: list the files, upload nothing")
    asked = parser.parse_args()
    if (asked.folder is None) == (asked.check is None):
        raise InputError("wanted FOLDER or --check FOLDER, one of the two")
    for option, needed in (("public_key", "check"), ("public", "push"), ("dry_run", "push")):
        if getattr(asked, option) and not getattr(asked, needed):
            raise InputError(f"--{option.replace('_', '-')}: goes with --{needed}")
    if asked.push and (asked.check or asked.key):
        raise InputError("--push: uploads a release as it lies: it goes with FOLDER, without --check and --key")
    if asked.check and asked.key:
        raise InputError("--key: signs a new release: it goes with FOLDER, not with --check")
    return asked


def main() -> None:
    """Write, check or push a release."""
    with cli.errors_told("release"):
        asked = _parsed()
        if asked.check:
            found = check(asked.check, asked.public_key)
            signer = signature.signed_by(asked.check)
            for line in found or [f"{asked.check}: whole"]:
                cli.tell(line)
            if asked.public_key is None:
                cli.tell(
                    "not signed" if signer is None else f"signed by key {signer[:16]}…; not verified: --public-key"
                )
            elif not found:
                cli.tell(f"signature holds with {asked.public_key}")
            raise SystemExit(1 if found else 0)
        if asked.push:
            for line in push(asked.folder, asked.push, asked.public, asked.dry_run).splitlines():
                cli.tell(line)
            return
        release(Path(), asked.folder, asked.key)
        cli.tell(f"{asked.folder}: the release of HEAD; python -m stages.release --check {asked.folder}")


if __name__ == "__main__":
    main()

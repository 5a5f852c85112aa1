"""Files and datasets of a Hugging Face hub, pinned by commit. No remote code, no pickles.

The hub is the public one or what HF_ENDPOINT names; its own cache and login (HF_HOME, `hf auth login`) are used.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stages.core import cli
from stages.core.errors import InputError, nearest
from stages.repro.digests import of_file
from stages.repro.weights import unsafe
from stages.sources.local import LocalFiles, RelativeName, place


def _commit(revision: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError(f"found {revision!r}, wanted a commit's 40 hex digits (a branch or a tag can move)")
    return revision


def _repository(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"found {name!r}, wanted owner/name")
    return name


@dataclass(frozen=True)
class Hub:
    """Files of one repository, or splits of a dataset turned into Parquet."""

    repo: Annotated[str, AfterValidator(_repository), Field(description="owner/name")]
    repo_type: Annotated[Literal["dataset", "model"], Field(description="dataset or model")]
    revision: Annotated[str, AfterValidator(_commit), Field(description="commit, 40 hex digits")]
    files: Annotated[
        LocalFiles[RelativeName], Field(description="file to write: file in the repository; or give splits")
    ] = field(default_factory=dict)
    splits: Annotated[LocalFiles[str], Field(description="Parquet file to write: split of the dataset")] = field(
        default_factory=dict
    )
    config: Annotated[str | None, Field(description="configuration of the dataset; null: its default one")] = None

    def __post_init__(self) -> None:
        if bool(self.files) == bool(self.splits):
            raise ValueError("wanted either files or splits, not both and not neither")
        if self.splits and self.repo_type != "dataset":
            raise ValueError("splits: only a repository of repo_type dataset has them")
        if self.config is not None and not self.splits:
            raise ValueError("config: chooses among splits, and files are asked for")
        for name in self.files.values():
            if self.repo_type == "model" and (refusal := unsafe(name)):
                raise ValueError(f"files: {refusal}")

    def fetch(self, into: Path) -> None:
        """Fill `into`. Without network for `files` that the hub's cache holds; `splits` always ask the hub."""
        with _told(f"{self.repo} at {self.revision[:7]}"):
            for name, path in self.files.items():
                place(self._file(path), into, name)
            if self.splits:
                from stages.sources.splits import write_splits

                self._reach()
                write_splits(self.repo, self.revision, self.config, self.splits, into, self._file)

    def _file(self, path: str) -> Path:
        """Return a file of the repository in the hub's cache, its bytes checked. Raises InputError if it has none."""
        from huggingface_hub.errors import RemoteEntryNotFoundError

        try:
            return self._checked(path)
        except RemoteEntryNotFoundError:
            raise InputError(f"no file {path!r}{self._near(path)}") from None

    def _reach(self) -> None:
        """Ask for the dataset's card, which need not be there: the `datasets` library explains refusals less well."""
        from huggingface_hub.errors import RemoteEntryNotFoundError

        with suppress(RemoteEntryNotFoundError):
            self._checked("README.md")

    def _checked(self, path: str) -> Path:
        """Return a file of the repository in the hub's cache; a damaged one is fetched again."""
        from huggingface_hub import hf_hub_download

        for again in (False, True):
            found = Path(
                hf_hub_download(self.repo, path, repo_type=self.repo_type, revision=self.revision, force_download=again)
            )
            if _sound(found):
                return found
            if not again:
                cli.say(f"{found}: damaged (its digest is not its name); fetching it again")
        raise InputError(f"{path}: what the hub sends has not the digest that it states")

    def _near(self, path: str) -> str:
        from huggingface_hub import HfApi

        return nearest(path, HfApi().list_repo_files(self.repo, revision=self.revision, repo_type=self.repo_type))


def _sound(path: Path) -> bool:
    """Tell whether a file of the hub's cache has the digest it is named by: SHA-256, or Git's SHA-1 if small."""
    name = path.resolve().name
    if re.fullmatch(r"[0-9a-f]{64}", name):
        return of_file(path) == name
    if re.fullmatch(r"[0-9a-f]{40}", name):
        content = path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == name
    return True  # a mirror with names of its own


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Name the repository in errors, and turn the library's failures into one message that says what to do."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # exported by its __getattr__
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from None
    except errors.GatedRepoError:
        raise InputError(f"{what}: gated: accept its terms on the hub, then `hf auth login`") from None
    except errors.RepositoryNotFoundError:
        raise InputError(f"{what}: no such repository, or a private one (`hf auth login`); check repo_type") from None
    except errors.RevisionNotFoundError:
        raise InputError(f"{what}: the repository has no such commit") from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, httpx.HTTPError, ConnectionError) as error:
        cause = error.__cause__ or error
        reason = " ".join(str(cause).split())[:400] or type(cause).__name__
        raise InputError(f"{what}: the hub cannot be reached: {reason}") from None
    except OSError as error:
        if error.errno is not None:
            raise  # of the disk
        raise InputError(f"{what}: {' '.join(str(error).split())[:400]}") from None

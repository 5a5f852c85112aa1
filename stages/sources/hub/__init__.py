"""Files and datasets of a Hugging Face hub. No remote code, no pickles.

Each of `files` is pinned by its SHA-256 in params.yaml, and what was written is checked against it every time, whatever
lies in the hub's cache. `splits` are pinned by the commit: their files are checked against the digests that the hub's
tree of this commit states. The hub is the public one or what HF_ENDPOINT names; its own cache and login (HF_HOME,
`hf auth login`) are used.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from stages.core import cli
from stages.core.errors import InputError, nearest
from stages.core.params import Section
from stages.repro.digests import of_file
from stages.repro.weights import unsafe
from stages.sources.local import LocalFiles, RelativeName, Sha256, place


def _commit(revision: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError(f"found {revision!r}, wanted a commit's 40 hex digits (a branch or a tag can move)")
    return revision


def _repository(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"found {name!r}, wanted owner/name")
    return name


class Pinned(Section):
    """One file of a repository."""

    path: Annotated[RelativeName, Field(description="file in the repository")]
    sha256: Annotated[
        Sha256 | None, Field(description="SHA-256, 64 hex digits; left out, the stage tells what to write")
    ] = None


def _as_mapping(value: Any) -> Any:
    """Take a path alone for a file whose SHA-256 is left out."""
    return {"path": value} if isinstance(value, str) else value


@dataclass(frozen=True)
class Hub:
    """Files of one repository, or splits of a dataset turned into Parquet."""

    repo: Annotated[str, AfterValidator(_repository), Field(description="owner/name")]
    repo_type: Annotated[Literal["dataset", "model"], Field(description="dataset or model")]
    revision: Annotated[str, AfterValidator(_commit), Field(description="commit, 40 hex digits")]
    files: Annotated[
        LocalFiles[Annotated[Pinned, BeforeValidator(_as_mapping)]],
        Field(description="file to write: path in the repository and sha256; or give splits"),
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
        for file in self.files.values():
            if self.repo_type == "model" and (refusal := unsafe(file.path)):
                raise ValueError(f"files: {refusal}")

    def fetch(self, into: Path) -> None:
        """Fill `into`. Without network for `files` that the hub's cache holds; `splits` always ask the hub."""
        with _told(f"{self.repo} at {self.revision[:7]}"):
            if any(file.sha256 is None for file in self.files.values()):
                raise InputError(self._unpinned())
            for name, file in self.files.items():
                self._hold(file.path, partial(_is_placed, into=into, name=name, wanted=file.sha256))
            if self.splits:
                from stages.sources.splits import write_splits

                self._reach()
                write_splits(self.repo, self.revision, self.config, self.splits, into, self._held_as_stated)

    def _unpinned(self) -> str:
        """Return what params.yaml lacks: every file with the SHA-256 of what the hub has at this commit."""
        found = {name: of_file(self._held_as_stated(file.path)) for name, file in self.files.items()}
        lines = [f"    {name}: {{path: {self.files[name].path}, sha256: {digest}}}" for name, digest in found.items()]
        return "\n".join(["every file wants its sha256; those of this commit are:", "  files:", *lines])

    def _held_as_stated(self, path: str) -> Path:
        """Return a file of the repository in the hub's cache; it has the digest that the hub states at this commit."""
        from huggingface_hub import HfApi, RepoFile

        stated = HfApi().get_paths_info(self.repo, [path], revision=self.revision, repo_type=self.repo_type)
        wanted = {entry.lfs.sha256 if entry.lfs else entry.blob_id for entry in stated if isinstance(entry, RepoFile)}
        if not wanted:
            raise InputError(f"no file {path!r}{self._near(path)}")
        return self._hold(path, lambda found: bool({of_file(found), _git_digest(found)} & wanted))

    def _hold(self, path: str, is_right: Callable[[Path], bool]) -> Path:
        """Return a file of the repository in the hub's cache; one that is not right is fetched again, once."""
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import RemoteEntryNotFoundError

        for again in (False, True):
            try:
                found = Path(
                    hf_hub_download(
                        self.repo, path, repo_type=self.repo_type, revision=self.revision, force_download=again
                    )
                )
            except RemoteEntryNotFoundError:
                raise InputError(f"no file {path!r}{self._near(path)}") from None
            except ValueError as error:  # the library's, for a second attempt without the hub
                if not again:
                    raise
                raise InputError(
                    f"{path}: damaged in the hub's cache, and the hub cannot be reached: {_why(error)}"
                ) from None
            if found.is_file() and is_right(found):
                return found
            if not again:
                cli.say(f"{found}: damaged (not the bytes that are pinned); fetching it again")
                found.unlink(missing_ok=True)  # or the library leaves it, though it fetches the bytes anew
        raise InputError(f"{path}: its SHA-256 is {of_file(found)}, which is not what is pinned")

    def _reach(self) -> None:
        """Ask for the dataset's card, which need not be there: the `datasets` library explains refusals less well."""
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import RemoteEntryNotFoundError

        with suppress(RemoteEntryNotFoundError):
            hf_hub_download(self.repo, "README.md", repo_type=self.repo_type, revision=self.revision)
            self._held_as_stated("README.md")

    def _near(self, path: str) -> str:
        from huggingface_hub import HfApi

        return nearest(path, HfApi().list_repo_files(self.repo, revision=self.revision, repo_type=self.repo_type))


def _is_placed(path: Path, into: Path, name: str, wanted: str | None) -> bool:
    """Copy a file to `name` below `into`; tell whether the copy, which is what is used, has the SHA-256 `wanted`."""
    place(path, into, name)
    return of_file(into / name) == wanted


def _git_digest(path: Path) -> str:
    """Return the digest by which Git names the content of a file."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _why(error: BaseException) -> str:
    cause = error.__cause__ or error
    return " ".join(str(cause).split())[:400] or type(cause).__name__


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
        raise InputError(f"{what}: the hub cannot be reached: {_why(error)}") from None
    except OSError as error:
        if error.errno is not None:
            raise  # of the disk
        raise InputError(f"{what}: {' '.join(str(error).split())[:400]}") from None

"""All that the records tell of one commit, read once: what is committed, and the outputs that dvc.lock names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from stages.core import yaml12
from stages.core.errors import InputError
from stages.core.files import read_object
from stages.project import git, lock, objects
from stages.releasing.sources import Source, licences, sources
from stages.repro.digests import of_bytes, of_file, of_value
from stages.verification import certificate
from stages.verification.certificate import Certificate

MODEL, CLEAN = "models/finetuned", "data/clean"
CERTIFICATE = Path("metrics/reproduction.json")
COMMITTED = (
    "params.yaml", "dvc.yaml", "dvc.lock", "requirements.lock", "CITATION.cff", "metrics/data.json",
    "metrics/tokenize.json", "metrics/finetune.json", "metrics/evaluate.json", "metrics/environment.json",
)  # fmt: skip
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Table:
    """One split of the clean rows."""

    split: str
    path: str  # in the project
    sha256: str
    size: int  # bytes
    rows: int
    columns: Mapping[str, str]  # name -> Arrow's name of its type


@dataclass(frozen=True)
class Facts:
    """One commit and its outputs."""

    root: Path
    commit: str
    date: datetime  # of the commit, UTC
    texts: Mapping[str, bytes]  # of COMMITTED, what the commit holds
    params: Mapping[str, Any]
    locked: lock.Lock
    citation: Mapping[str, Any]
    space: Mapping[str, Any]  # data/clean/schema.json
    counts: Mapping[str, Any]  # data/clean/summary.json
    tables: tuple[Table, ...]  # by split
    data: tuple[Source, ...]
    base: tuple[Source, ...]
    certificate: Certificate | None

    def metrics(self, stage: str) -> dict[str, Any]:
        """Return what metrics/STAGE.json holds, nothing where the commit has none."""
        content = self.texts.get(f"metrics/{stage}.json")
        return dict(json.loads(content)) if content else {}

    @property
    def name(self) -> str:
        """Name of the release: the project's title before its colon, and what it learnt."""
        title = str(self.citation.get("title", self.root.resolve().name)).partition(":")[0]
        return f"{title} {self.params['input']['name']} {self.params['target']['name']}"

    @property
    def code_licence(self) -> str:
        """SPDX id of the code's licence, or "not stated"."""
        return str(self.citation.get("license", NOT_STATED))

    @property
    def repository(self) -> str:
        """Address of the code, or an empty string."""
        return str(self.citation.get("repository-code", ""))

    def uuid(self, *what: str) -> str:
        """Return the UUID (version 8, RFC 9562) of something of this commit, derived from its SHA-256."""
        digits = of_value([self.commit, self.lock_digest, *what])[:32]
        return str(UUID(f"{digits[:12]}8{digits[13:16]}{'89ab'[int(digits[16], 16) % 4]}{digits[17:]}"))

    @property
    def lock_digest(self) -> str:
        """SHA-256 of dvc.lock."""
        return of_bytes(self.texts["dvc.lock"])

    def outside(self) -> dict[str, str]:
        """Return {path: MD5} of all that a stage read and none wrote: code, locks, files of users."""
        written = lock.outputs(self.locked)
        deps = {path: md5 for stage in self.locked.values() for path, md5 in stage.deps.items()}
        return {path: md5 for path, md5 in sorted(deps.items()) if not lock.reads([path], written)}


def read(root: Path) -> Facts:
    """Return the facts of HEAD of the repository `root`, which `checks.ready` has passed.

    Raises InputError that names what the commit or an output lacks.
    """
    sha = git.commit(root, "HEAD")
    found = {name: objects.file(root, sha, name) for name in COMMITTED}
    if missing := [name for name, content in found.items() if content is None and name != COMMITTED[-1]]:
        raise InputError(f"{', '.join(missing)}: not in commit {sha[:12]}: run dvc repro and commit what it wrote")
    texts = {name: content for name, content in found.items() if content is not None}
    params, citation = (yaml12.values(texts[name].decode(), name) for name in ("params.yaml", "CITATION.cff"))
    known = licences(citation)
    return Facts(
        root=root, commit=sha, date=datetime.fromisoformat(git.date(root, sha)).astimezone(UTC), texts=texts,
        params=params, locked=lock.parse(texts["dvc.lock"], lock.LOCK), citation=citation,
        space=read_object(root / CLEAN / "schema.json"), counts=read_object(root / CLEAN / "summary.json"),
        tables=tuple(_tables(root)), data=sources(root, sha, params["data"]["source"], known),
        base=sources(root, sha, params["model"]["source"], known),
        certificate=_certificate(root, sha, of_bytes(texts["dvc.lock"])),
    )  # fmt: skip


def _tables(root: Path) -> list[Table]:
    import pyarrow.parquet as parquet

    found = []
    for split in ("train", "validation", "test"):
        path = root / CLEAN / f"{split}.parquet"
        file = parquet.ParquetFile(path)
        columns = {field.name: str(field.type) for field in file.schema_arrow}
        name, size = path.relative_to(root).as_posix(), path.stat().st_size
        found.append(Table(split, name, of_file(path), size, file.metadata.num_rows, columns))
    return found


def _certificate(root: Path, sha: str, locked: str) -> Certificate | None:
    """Return the certificate in the working folder if it is of this commit or of one with the same dvc.lock."""
    path = root / CERTIFICATE
    try:
        found = certificate.load(path) if path.is_file() else None
    except InputError:
        return None  # of another version: it is of another commit
    core = found.predicate.core if found else None
    same = core is not None and not core.edits and core.recipe is None and (core.commit == sha or core.lock == locked)
    return found if same else None

"""SLSA provenance v1 as an in-toto statement: the model's files, and all that dvc.lock says they were made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.core.files import canonical_json
from stages.project import lock
from stages.releasing.facts import Facts

NAME = "provenance.intoto.json"
STATEMENT, PREDICATE = "https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1"
BUILD, BUILDER = "urn:reprise:dvc-repro:v1", "urn:reprise:dvc:v1"


def text(facts: Facts, model: Mapping[str, str]) -> str:
    """Return the statement. model: {file: SHA-256} of the released model."""
    return canonical_json(
        {
            "_type": STATEMENT,
            "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(model.items())],
            "predicateType": PREDICATE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD,
                    "externalParameters": {
                        "commit": facts.commit,
                        "params": lock.params(facts.locked),
                    },
                    "internalParameters": {name: stage.command for name, stage in facts.locked.items()},
                    "resolvedDependencies": [*_sources(facts), *_deps(facts)],
                },
                "runDetails": {
                    "builder": {"id": BUILDER},
                    "metadata": {"invocationId": f"urn:uuid:{facts.uuid('slsa')}"},
                    "byproducts": [{"name": lock.LOCK, "digest": {"sha256": facts.lock_digest}}],
                },
            },
        }
    )


def _sources(facts: Facts) -> list[dict[str, Any]]:
    git = {"name": "repository", "digest": {"gitCommit": facts.commit}}
    if facts.repository:
        git["uri"] = f"git+{facts.repository}@{facts.commit}"
    found = [git]
    for one in dict.fromkeys((*facts.data, *facts.base)):
        digest = {"sha256": one.sha256} if one.sha256 else {"gitCommit": one.revision} if one.revision else {}
        found.append({"name": one.name, "uri": one.address, "digest": digest})
    return found


def _deps(facts: Facts) -> list[dict[str, Any]]:
    """Return what the stages read; `dvcDirectoryMd5` is the MD5 of DVC's list of a folder's files."""
    found = []
    for path, md5 in facts.outside().items():
        kind = "dvcDirectoryMd5" if md5.endswith(".dir") else "md5"
        found.append({"name": path, "digest": {kind: md5.removesuffix(".dir")}})
    return found

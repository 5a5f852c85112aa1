"""The catalogue: every target and its attacks, in the order of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.attacks import (
    archives,
    bad_day,
    caches,
    certificates,
    commands,
    data,
    downloads,
    forgeries,
    model_fields,
    models,
    params,
    repositories,
    texts,
    verifier,
)
from benchmarks.attacks.place import Attack

TARGETS: Mapping[str, Sequence[Attack]] = {
    "dvc.lock": verifier.ATTACKS,
    "certificates": certificates.ATTACKS,
    "forgeries": forgeries.ATTACKS,
    "repositories": repositories.ATTACKS,
    "models": models.ATTACKS,
    "model fields": model_fields.ATTACKS,
    "params": params.ATTACKS,
    "data": data.ATTACKS,
    "archives": archives.ATTACKS,
    "downloads": downloads.ATTACKS,
    "caches": caches.ATTACKS,
    "texts": texts.ATTACKS,
    "commands": commands.ATTACKS,
    "bad days": bad_day.ATTACKS,
}

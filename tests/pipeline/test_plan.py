"""What is planned of a clone before it has run is the triple that DVC records of its run."""

from __future__ import annotations

from pathlib import Path

from stages.ledger.history import Snapshot
from stages.ledger.record import read
from stages.project.lock import LOCK
from stages.verification import plan
from tests.pipeline.conftest import Clone


def test_a_fresh_clone_s_plan_is_the_triple_of_the_run_that_dvc_recorded(second: Clone) -> None:
    made = read(Snapshot("", (), {LOCK: (second.root / LOCK).read_bytes()}), Path("nowhere"))
    planned = plan.of(second.root)
    seeds = planned.seeds(planned.seed, {})
    assert sorted(seeds) == ["augment", "dropout", "init", "order", "split"]
    fetched = planned.fetched_by(made)
    assert fetched is not None
    assert planned.triple(seeds, fetched) == made.decisive
    assert planned.triple({**seeds, "order": 1}, fetched).digest != made.triple

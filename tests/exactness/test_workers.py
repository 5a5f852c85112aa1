"""One worker, two, four, eight: the same bytes, for any number of shards, precision and dropout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny
from tests.exactness.conftest import forget, undisturbed
from tests.exactness.ledger import Ledger
from tests.exactness.warm import Warm

COUNTS = {5: (1, 2, 4), 6: (1, 2, 4), 8: (1, 2, 4, 8)}  # shards in a batch -> powers of two up to it
QUICK = (6, "float32", "0.1")
CASES = [
    pytest.param(shards, precision, dropout, marks=[] if (shards, precision, dropout) == QUICK else pytest.mark.full)
    for shards in COUNTS
    for precision in ("float32", "bfloat16")
    for dropout in ("0.1", "0.0")
]


@pytest.mark.parametrize(("shards", "precision", "dropout"), CASES)
def test_workers_do_not_matter(
    warm: Warm, root: Path, ledger: Ledger, shards: int, precision: str, dropout: str
) -> None:
    rates = f"{{hidden_dropout_prob: {dropout}, attention_probs_dropout_prob: {dropout}}}"
    tiny.set_params(root, batch_size=str(4 * shards), shard_size="4", precision=precision, overrides=rates)
    alone = undisturbed(warm, root)
    varied = f"{shards} shards in a batch, {precision}, dropout {float(dropout):g}: workers " + ", ".join(
        map(str, COUNTS[shards])
    )
    for workers in COUNTS[shards]:
        code, said = warm.run(root, REPRISE_WORKERS=str(workers))
        assert code == 0, said
        assert ledger.same(varied, "forked", tiny.outputs(root), alone), workers
        forget(root)


def test_precision_and_dropout_are_what_they_say(warm: Warm, root: Path) -> None:
    found = [undisturbed(warm, root)]
    for change in ({"precision": "bfloat16"}, {"overrides": "{hidden_dropout_prob: 0.0}"}):
        tiny.set_params(root, **change)
        found.append(undisturbed(warm, root))
    assert len({made["models/finetuned/model.safetensors"] for made in found}) == 3

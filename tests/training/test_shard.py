"""A perturbation is a window's own: the same alone and among others, with padding and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.learning import Head
from stages.models import build, building, is_packed
from stages.objectives.fgm import FGM
from stages.objectives.freelb import FreeLB
from stages.objectives.pgd import PGD
from stages.repro.streams import Streams
from stages.targets.classes.head import Head as Classes
from stages.targets.tags.head import Head as Tags
from stages.training import embedding
from stages.training.dropout import Masks
from stages.training.shard import Shard
from tests import tiny

LENGTHS = (3, 9, 5)
DRAW = np.random.default_rng(0)
IDS = [DRAW.integers(5, 40, length).astype(np.int32) for length in LENGTHS]
PLACES = [np.array([0, 2, -1], np.int32), np.array([1, 5, 7], np.int32), np.array([4], np.int32)]
TAGS = [DRAW.integers(0, 3, len(places)).astype(np.int32) for places in PLACES]
CPU = torch.device("cpu")
STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
HEADS = {"classes": Classes, "tags": Tags}


def part(rows: list[int]) -> dict[str, Any]:
    columns = {"input_ids": IDS, "places": PLACES, "tags": TAGS}
    lists = {name: [values[row] for row in rows] for name, values in columns.items()}
    return {**lists, "label": np.array(rows) % 3, "length": np.array([LENGTHS[row] for row in rows])}


class Recorded(Shard):
    """A shard that keeps the last shift in `shifts`."""

    def __call__(self, shift: torch.Tensor | None = None, again: bool = False) -> torch.Tensor:
        assert shift is not None
        SHIFTS.append(shift.detach())
        return super().__call__(shift, again)


SHIFTS: list[torch.Tensor] = []


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model_folder(tmp_path_factory.mktemp("base") / "base")


def built(base: Path, head: Head, packed: bool, overrides: dict[str, Any] = STILL) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        if not packed:
            patch.setattr(building, "pack", lambda model, head: model)
        model: Any = build(base, head, "pretrained", "new", overrides, 1).model
    assert is_packed(model) is packed
    model.config.pad_token_id = 0
    return model.train()


def shard(model: Any, head: Head, rows: list[int], masks: Masks | None = None) -> Recorded:
    streams = Streams(1)
    table = embedding.install(model) or model.get_input_embeddings()
    table.begin(torch.arange(40))
    held = part(rows)
    weights = torch.from_numpy(head.weights(held, np.array([1.0, 2.0, 0.5], np.float32)))
    return Recorded(
        model, head, held, 0, CPU, "float32", weights,
        begin=lambda: masks.begin(7) if masks else None,
        draw=lambda place: streams.generator("perturbation", 3, rows[place]),
    )  # fmt: skip


def shifts(objective: Any, model: Any, head: Head, rows: list[int]) -> list[torch.Tensor]:
    """Return the last shift of each row's window, (T, H)."""
    forward = shard(model, head, rows)
    objective.losses(forward, head, forward.part)
    return list(SHIFTS[-1].split([LENGTHS[row] for row in rows]))


@pytest.mark.parametrize("objective", [FGM(0.7), PGD(0.7, 0.3, 2), FreeLB(0.7, 0.3, 3)])
@pytest.mark.parametrize("target", HEADS)
def test_a_window_gets_the_same_alone_and_among_others_padded_and_packed(
    base: Path, target: str, objective: Any
) -> None:
    head = HEADS[target]({"labels": tiny.LABELS})
    packed, padded = built(base, head, True), built(base, head, False)
    together = shifts(objective, packed, head, [0, 1, 2])
    beside = shifts(objective, padded, head, [0, 1, 2])
    for row in range(3):
        (alone,) = shifts(objective, padded, head, [row])
        torch.testing.assert_close(together[row], alone, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(beside[row], alone, rtol=1e-3, atol=1e-5)
        assert float(alone.norm()) <= 0.7 + 1e-6
        if isinstance(objective, FGM):
            assert float(alone.norm()) == pytest.approx(0.7)
    assert float(together[0].std()) > 0


@pytest.mark.parametrize("packed", [True, False])
def test_a_shift_is_a_change_of_the_embeddings(base: Path, packed: bool) -> None:
    """One that stands for another token in the table gives the outputs of that token."""
    head = Tags({"labels": tiny.LABELS})
    model = built(base, head, packed)
    forward = shard(model, head, [0, 1, 2])
    table = model.get_input_embeddings().weight.detach()
    ids = torch.from_numpy(np.concatenate(IDS)).long()
    found = forward((table[ids.flip(0)] - table[ids]).float())
    other = {**forward.part, "input_ids": list(np.split(np.concatenate(IDS)[::-1], np.cumsum(LENGTHS)[:-1]))}
    wanted = Shard(**{**vars(forward), "part": other})()
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert model.get_input_embeddings()._forward_hooks == {}


def test_again_repeats_the_masks(base: Path) -> None:
    head = Classes({"labels": tiny.LABELS})
    masks = Masks()
    forward = shard(built(base, head, True, {}), head, [0, 1, 2], masks)
    masks.begin(7)
    with masks:
        first, second, again = Shard.__call__(forward), Shard.__call__(forward), Shard.__call__(forward, again=True)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_noise_is_a_window_s_own() -> None:
    class Model:
        """Has an embedding of 4 numbers."""

        def get_input_embeddings(self) -> torch.nn.Embedding:
            return torch.nn.Embedding(3, 4)

    def noise(rows: list[int]) -> torch.Tensor:
        streams = Streams(1)
        return Shard(
            Model(), Classes({}), part(rows), 0, CPU, "float32", torch.ones(len(rows)), lambda: None,
            lambda place: streams.generator("perturbation", 3, rows[place]),
        ).noise()  # fmt: skip

    together = noise([0, 1, 2])
    assert together.shape == (17, 4)
    assert float(together.abs().max()) < 1
    assert float(together.min()) < -0.8 < 0.8 < float(together.max())
    assert torch.equal(together[3:12], noise([1]))

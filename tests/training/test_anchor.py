"""What a regulariser makes of the weights of the start: on a model of an embedding, a layer and a head."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from stages.learning import Regulariser
from stages.regularisers.l2sp import L2SP
from stages.regularisers.mixout import Mixout
from stages.regularisers.none import Free
from stages.repro.group import Alone
from stages.repro.streams import Streams
from stages.training.anchor import Anchor
from stages.training.embedding import BatchEmbedding

ROWS = torch.tensor([2, 5])
HEAD = frozenset({"head.weight", "head.bias"})


class Model(nn.Module):
    """Means of embeddings, a layer, a head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = BatchEmbedding(nn.Embedding(6, 3))
        self.layer = nn.Linear(3, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(torch.tanh(self.layer(self.table(ids).mean(dim=0))))


def anchored(regulariser: Regulariser) -> tuple[Model, dict[str, Tensor], Anchor]:
    """Return a model that has moved, its weights at the start, and its anchor."""
    model = Model()
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    anchor = Anchor(regulariser, model, HEAD, model.table, Streams(1), Alone(torch.device("cpu")))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.rand_like(parameter)
    model.table.begin(ROWS)
    return model, start, anchor


def test_l2sp_pulls_to_the_start_the_head_to_zero_and_of_the_embedding_the_rows_of_the_batch() -> None:
    model, start, anchor = anchored(L2SP(0.5, 0.1))
    penalty = anchor.penalty()
    now = {name: p.detach() for name, p in model.named_parameters()}
    away = [now[n] - start[n] for n in ("layer.weight", "layer.bias")] + [
        (now["table.weight"] - start["table.weight"])[ROWS]
    ]
    wanted = 0.25 * sum(d.square().sum() for d in away) + 0.05 * sum(now[n].square().sum() for n in HEAD)
    torch.testing.assert_close(penalty.detach(), wanted)
    penalty.backward()
    torch.testing.assert_close(model.table.table.grad, 0.5 * away[2])
    torch.testing.assert_close(model.layer.weight.grad, 0.5 * away[0])
    torch.testing.assert_close(model.head.bias.grad, 0.1 * now["head.bias"])


def test_mixout_is_seen_by_forward_passes_and_its_gradient_by_what_was_not_mixed() -> None:
    model, start, anchor = anchored(Mixout(0.5))
    own = dict(model.named_parameters())
    with anchor.mixed(3):
        seen = dict(model.named_parameters())
        model(ROWS).sum().backward()
    assert {name for name in own if seen[name] is not own[name]} == {"layer.weight"}
    assert dict(model.named_parameters())["layer.weight"] is own["layer.weight"]
    moved = own["layer.weight"].detach() - start["layer.weight"]
    factor = (seen["layer.weight"].detach() - start["layer.weight"]) / moved
    torch.testing.assert_close(factor, 2.0 * (factor > 1), rtol=1e-4, atol=1e-4)
    assert 0 < int((factor > 1).sum()) < factor.numel()
    other = Model()
    other.load_state_dict({**model.state_dict(), "layer.weight": seen["layer.weight"].detach()})
    other.table.begin(ROWS)
    other(ROWS).sum().backward()
    torch.testing.assert_close(own["layer.weight"].grad, 2.0 * (factor > 1) * other.layer.weight.grad)


def test_mixing_is_the_same_for_all_shards_of_a_step_and_another_in_the_next() -> None:
    model, _, anchor = anchored(Mixout(0.5))
    seen = []
    for step in (3, 3, 4, 3):
        with anchor.mixed(step):
            seen.append(model.layer.weight.detach().clone())
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    assert torch.equal(seen[0], seen[3])  # no state: what a step sees does not depend on those before


def test_a_fault_leaves_the_weights_where_they_belong() -> None:
    model, _, anchor = anchored(Mixout(0.5))
    own = model.layer.weight
    with pytest.raises(ZeroDivisionError), anchor.mixed(0):
        1 / 0  # noqa: B018
    assert model.layer.weight is own


def test_none_keeps_nothing_in_memory() -> None:
    _, _, anchor = anchored(Free())
    assert (anchor.starts, anchor.places, anchor.penalty()) == ([], [], None)

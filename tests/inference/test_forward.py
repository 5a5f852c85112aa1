"""The forward pass: in the order of the rows, the same bits for any number of workers."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.core.errors import InputError
from stages.inference import outputs, token_rows
from stages.learning import TokenRows
from stages.models import build, compute
from stages.repro.group import Alone
from stages.targets.classes.head import Head
from tests import tiny

HEAD = Head({"labels": tiny.LABELS})


class Shared:
    """One of several workers that are threads, for `gather` alone."""

    device = torch.device("cpu")

    def __init__(self, rank: int, size: int, barrier: threading.Barrier, box: dict[int, Any]) -> None:
        self.rank, self.size, self.barrier, self.box = rank, size, barrier, box

    def gather(self, value: Any) -> list[Any]:
        self.box[self.rank] = value
        self.barrier.wait()
        return [self.box[rank] for rank in range(self.size)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("inference")
    tiny.model_folder(root / "base")
    tiny.token_folder(root / "tokens", rows=150)
    return root


@pytest.fixture
def rows(folder: Path) -> TokenRows:
    return token_rows(folder / "tokens/train.arrow", 0)


def model(folder: Path) -> Any:
    return build(folder / "base", HEAD, "pretrained", "new", {}, 1).model


def test_each_row_has_the_logits_it_has_by_itself(folder: Path, rows: TokenRows) -> None:
    net = model(folder).eval()
    found = outputs(net, rows, HEAD, Alone(torch.device("cpu")), "x")
    assert found.shape == (150, 3)
    for index in (0, 77, 149):
        part = rows.take(np.array([index]))
        alone = compute(net, HEAD, part, rows.pad, torch.device("cpu"))[0].detach().numpy()
        np.testing.assert_allclose(found[index], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [2, 4, 8])
def test_workers_share_out_the_shards_without_a_trace(folder: Path, rows: TokenRows, size: int) -> None:
    alone = outputs(model(folder), rows, HEAD, Alone(torch.device("cpu")), "x")
    barrier, box, found = threading.Barrier(size), {}, {}

    def work(rank: int, net: Any) -> None:
        found[rank] = outputs(net, rows, HEAD, Shared(rank, size, barrier, box), "x")  # type: ignore[arg-type]

    threads = [threading.Thread(target=work, args=(rank, model(folder))) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[rank].tobytes() == alone.tobytes() for rank in range(size))


@pytest.mark.parametrize("training", [True, False])
def test_the_model_goes_back_to_the_mode_it_was_in(folder: Path, rows: TokenRows, training: bool) -> None:
    net = model(folder).train(training)
    outputs(net, rows, HEAD, Alone(torch.device("cpu")), "x")
    assert net.training is training


def test_logits_that_are_not_finite_are_refused(folder: Path, rows: TokenRows) -> None:
    net = model(folder)
    net.classifier.bias.data[0] = float("nan")
    with pytest.raises(InputError, match="not finite"):
        outputs(net, rows, HEAD, Alone(torch.device("cpu")), "x")

"""Damaged checkpoints are refused by name; a write that fails leaves the old or the new, never a torn one."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.exactness.conftest import FULL, forget, undisturbed
from tests.exactness.ledger import Ledger
from tests.exactness.warm import Warm

FILES = ("manifest.json", "moments.safetensors", "state.json", "weights.safetensors")
FLIPS = 12  # bytes of each file
STOP = {"do": "kill", "at": "open metrics/finetune/trace.tsv", "which": 8}  # after the checkpoints of steps 3 and 6


@pytest.fixture(scope="module")
def killed(warm: Warm, built: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return a folder in which a run was killed after two checkpoints, and what an undisturbed run makes."""
    root = Path(shutil.copytree(built, tmp_path_factory.mktemp("killed") / "clone", symlinks=True))
    alone = undisturbed(warm, root)
    warm.run(root, STOP, REPRISE_WORKERS="1")
    assert [p.name for p in checkpoints(root)] == ["step-0000000003", "step-0000000006"]
    return root, alone


def checkpoints(root: Path) -> list[Path]:
    return sorted(root.glob(".reprise/*/step-*"))


def damages(file: Path, draw: random.Random) -> Iterator[tuple[str, bytes | None]]:
    """Yield names and contents of a damaged file; None: it is gone."""
    whole = file.read_bytes()
    for place in draw.sample(range(len(whole)), FLIPS):
        yield "a flipped byte", whole[:place] + bytes([whole[place] ^ draw.randint(1, 255)]) + whole[place + 1 :]
    yield "a file cut short", whole[: draw.randrange(len(whole))]
    yield "a missing file", None


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    warm: Warm, killed: tuple[Path, dict[str, Any]], tmp_path: Path, ledger: Ledger, name: str
) -> None:
    before, alone = killed
    draw = random.Random(name)
    every = list(damages(checkpoints(before)[1] / name, draw))
    for number, (damage, content) in enumerate(every if FULL else [every[-FILES.index(name) - 1]]):
        root = Path(shutil.copytree(before, tmp_path / f"{number}", symlinks=True))
        file = checkpoints(root)[1] / name
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        code, said = warm.run(root, REPRISE_WORKERS="1")
        assert code == 0, said
        assert f"finetune: warning: {file.parent.relative_to(root)}" in said
        assert f"{file.parent.name}/{name}: " in said or name == "manifest.json"
        assert said.endswith("it is not used\nfinetune: goes on from step 3\n")
        same = ledger.same(f"{damage} of the newest checkpoint", "forked", tiny.outputs(root), alone)
        assert same, (damage, number)


def test_when_all_are_damaged_it_begins_anew(
    warm: Warm, killed: tuple[Path, dict[str, Any]], tmp_path: Path, ledger: Ledger
) -> None:
    root = Path(shutil.copytree(killed[0], tmp_path / "clone", symlinks=True))
    for folder in checkpoints(root):
        os.truncate(folder / "weights.safetensors", 100)
    code, said = warm.run(root, REPRISE_WORKERS="2")
    assert code == 0
    assert [line.split(": ")[2].split("/")[2] for line in said.splitlines()] == ["step-0000000006", "step-0000000003"]
    assert ledger.same("every checkpoint damaged", "forked", tiny.outputs(root), killed[1])


@pytest.mark.parametrize(
    "name", ["steps.tsv", "trace.tsv", "validation.tsv", "best/step-0000000006/weights.safetensors"]
)
def test_what_a_checkpoint_stands_on_is_checked_too(
    warm: Warm, killed: tuple[Path, dict[str, Any]], tmp_path: Path, ledger: Ledger, name: str
) -> None:
    root = Path(shutil.copytree(killed[0], tmp_path / "clone", symlinks=True))
    file = checkpoints(root)[0].parent / name
    content = bytearray(file.read_bytes())
    content[30] ^= 1
    file.write_bytes(content)
    code, said = warm.run(root, REPRISE_WORKERS="1")
    assert code == 0
    assert "step 6 is not used" in said
    assert ledger.same("a flipped byte of kept curves or best weights", "forked", tiny.outputs(root), killed[1])


@pytest.fixture(scope="module")
def short(warm: Warm, built: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[str]]:
    """Return a folder with the results of another seed, what a run makes of it, and its writes in order."""
    folder = tmp_path_factory.mktemp("short")
    root = Path(shutil.copytree(built, folder / "clone", symlinks=True))
    tiny.set_params(root, seed="2", epochs="1", batch_size="24", checkpoint_every="2")
    assert warm.run(root, REPRISE_WORKERS="1")[0] == 0
    shutil.move(root / "models/finetuned", folder / "old model")
    forget(root)
    tiny.set_params(root, epochs="1", batch_size="24", checkpoint_every="2")
    alone = undisturbed(warm, root)
    shutil.move(folder / "old model", root / "models/finetuned")
    log = folder / "writes"
    copy = Path(shutil.copytree(root, folder / "copy", symlinks=True))
    assert warm.run(copy, {"do": "list", "log": str(log)}, REPRISE_WORKERS="1")[0] == 0
    return root, alone, log.read_text().splitlines()


QUICK = {"ENOSPC": (13, 31), "EIO": (25, 87), "short": (10, 75)}  # curves, checkpoints, outputs


@pytest.mark.parametrize("fault", QUICK)
def test_every_write_that_fails_leaves_the_old_or_the_new(
    warm: Warm, short: tuple[Path, dict[str, Any], list[str]], tmp_path: Path, ledger: Ledger, fault: str
) -> None:
    before, alone, writes = short
    wrong = []
    for which in range(len(writes)) if FULL else QUICK[fault]:
        root = Path(shutil.copytree(before, tmp_path / f"{which}", symlinks=True))
        code, said = warm.run(root, {"do": fault, "which": which}, REPRISE_WORKERS="1")
        model = {name: digest for name, digest in tiny.outputs(root).items() if name.startswith("models/")}
        whole = model in (
            {name: digest for name, digest in alone.items() if name.startswith("models/")},
            {name: digest for name, digest in tiny.outputs(before).items() if name.startswith("models/")},
        )
        clear = code == 0 or (code == 2 and said.startswith("finetune: error: ") and said.count("\n") == 1)
        again, said_again = warm.run(root, REPRISE_WORKERS="2")
        same = ledger.same(f"every write failing in turn: {fault}", "forked", (again, tiny.outputs(root)), (0, alone))
        if not (whole and clear and same):
            wrong.append((which, writes[which], whole, clear, same, said + said_again))
        shutil.rmtree(root)
    assert wrong == []

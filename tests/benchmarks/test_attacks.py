"""The runner of attacks tells held from not held, on targets that are weak on purpose; a few real attacks."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.attacks import archives, params, table, texts
from benchmarks.attacks.catalogue import TARGETS
from benchmarks.attacks.place import Attack, Broken, Ended, Place, told
from benchmarks.attacks.running import KEPT, Result, tried


def weak(place: Place, fault: str) -> str:
    """Behave as a target that has the fault."""
    match fault:
        case "raises":
            raise RuntimeError("a bug of the attack")
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hangs":
            time.sleep(60)
        case "eats memory":
            return str(len(bytearray(8 << 30)))
        case "runs code":
            (place.folder / "canary").touch()
            place.quiet()
        case "certifies":
            raise Broken("BITWISE, code 0")
        case "a traceback":
            return told(Ended(1, "", "Traceback (most recent call last):\nKeyError: 'a'", 0.0))
        case "an internal error":
            return told(Ended(2, "", "x: error: internal error: KeyError: 'a'", 0.0))
        case "two messages":
            return told(Ended(2, "", "x: error: a\ny: holds", 0.0))
        case "steers":
            return told(Ended(2, "", "x: error: \x1b[2Kholds", 0.0))
        case "refuses with another code":
            return told(Ended(1, "", "x: error: no", 0.0))
    return told(Ended(2, "", "note\nx: error: no\n  more of it", 0.0))


WEAK = {
    "raises": "the attack failed: RuntimeError: a bug of the attack",
    "dies": "the process ended without a word",
    "hangs": "no end within 2 s",
    "eats memory": "the attack failed: MemoryError: ",
    "runs code": "code of the attacker ran: canary was written",
    "certifies": "BITWISE, code 0",
    "a traceback": "a traceback: KeyError: 'a'",
    "an internal error": "an internal error: x: error: internal error: KeyError: 'a'",
    "two messages": "more than one message: 'x: error: a\\ny: holds'",
    "steers": "the message steers the terminal: 'x: error: \\x1b[2Kholds'",
    "refuses with another code": "code 1: 'x: error: no'",
}


def run(folder: Path, *attacks: Attack, told_to: Any = lambda result: None) -> list[Result]:
    return tried({"target": attacks}, folder / "made", folder, 4, told_to)


def test_what_does_not_hold_is_told(tmp_path: Path) -> None:
    attack = Attack("weak", "it holds", weak, {fault: fault for fault in (*WEAK, "none")}, seconds=2)
    found = {one.variant: one for one in run(tmp_path, attack)}
    assert {name: found[name].happened for name in WEAK} == {name: said.strip() for name, said in WEAK.items()}
    assert [name for name, one in found.items() if one.held] == ["none"]
    assert found["none"].happened == "refused: no more of it"
    assert not list((tmp_path / "places").iterdir())


def test_what_is_done_is_not_tried_again(tmp_path: Path) -> None:
    first = Attack("weak", "it holds", weak, {"none": "none"})
    done = run(tmp_path, first)
    with (tmp_path / KEPT).open("a", encoding="utf-8") as file:
        file.write('{"target": "cut o')  # by a kill
    again: list[Result] = []
    more = Attack("weak", "it holds", weak, {"none": "none", "certifies": "certifies"}, seconds=2)
    assert run(tmp_path, more, told_to=again.append)[0] == done[0]
    assert [one.variant for one in again] == ["certifies"]


def test_the_page_counts_and_lists(tmp_path: Path) -> None:
    attack = Attack("a | b", "it holds", weak, {"none": "none", "certifies": "certifies"}, seconds=2)
    page = table.page({"target": [attack]}, run(tmp_path, attack), "0" * 40)
    assert "2 variants of 1 attacks (of 2 and 1) were tried on commit 000000000000: **1 held, 1 did not hold.**" in page
    assert "| a \\| b | it holds | 2 | 1 | refused: no more of it |" in page
    assert "| target: a \\| b | certifies | BITWISE, code 0 |" in page


@pytest.mark.parametrize(
    ("attack", "variants"),
    [
        (archives.ATTACKS[0], ("above", "absolute", "a deep one")),
        (archives.ATTACKS[2], ("a symbolic link", "a hard link", "a FIFO")),
        (archives.ATTACKS[4], ("zeros in tar", "zeros in zip", "a name twice in zip")),
        (params.ATTACKS[0], ("'010'", "'0o10'", "'1_000'", "'!!int 8'")),
        (params.ATTACKS[2], ("a bomb of aliases", "10,000 brackets")),
        (texts.ATTACKS[0], ("'</script><script>alert(1)</script>'", "'![x](http://host/x.png)'")),
    ],
)
def test_fast_ones_hold(tmp_path: Path, attack: Attack, variants: tuple[str, ...]) -> None:
    chosen = Attack(attack.name, attack.must, attack.act, {name: attack.variants[name] for name in variants}, 60)
    assert [one for one in run(tmp_path, chosen) if not one.held] == []


def test_every_attack_has_a_name_of_its_own() -> None:
    names = [(target, attack.name) for target, attacks in TARGETS.items() for attack in attacks]
    assert len(set(names)) == len(names)
    assert all(attack.variants and attack.must for attacks in TARGETS.values() for attack in attacks)

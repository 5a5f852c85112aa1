"""The nearest valid names, as messages show them."""

from __future__ import annotations

import pytest

from stages.core.errors import nearest


@pytest.mark.parametrize(
    ("name", "known", "shown"),
    [
        ("Textt", ["Text", "Category"], " (nearest: 'Text')"),
        ("text", ["Text", "Category"], " (nearest: 'Text')"),
        ("warm_up", ["warmup", "epochs"], " (nearest: 'warmup')"),
        ("lr", ["b", "a"], " (known: 'a', 'b')"),
        ("..", list("zyxwvutsrqponm"), " (known: 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', …)"),
        ("ab1", ["ab4", "ab3", "ab2", "ab5"], " (nearest: 'ab5', 'ab4', 'ab3')"),
        ("x", [], ""),
    ],
)
def test_nearest(name: str, known: list[str], shown: str) -> None:
    assert nearest(name, known) == shown


def test_nearest_takes_names_once() -> None:
    assert nearest("a", iter(["b", "b"])) == " (known: 'b')"

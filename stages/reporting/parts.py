"""Pieces of the page. Whatever comes from data or params goes through `shown`: it is text, never markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from stages.core.shown import html, plain


def shown(value: Any) -> str:
    """Return `value` as text of a page, never markup, its writing direction kept to itself."""
    return f"<bdi>{html(plain(value))}</bdi>"


def count(number: float) -> str:
    """Return a whole number with its thousands apart."""
    return f"{number:,.0f}"


def code(text: str) -> str:
    """Return `text`, which is shown, as a digest, a path or a key."""
    return f"<code>{shown(text)}</code>"


def card(title: str, *content: str) -> str:
    """Return a card; `title` and `content` are markup."""
    head = f"<h3>{title}</h3>\n" if title else ""
    return f'<div class="card">\n{head}' + "\n".join(content) + "\n</div>"


def grid(*cards: str) -> str:
    """Return cards side by side where there is room."""
    return '<div class="grid">\n' + "\n".join(cards) + "\n</div>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Return a table; `head` and the cells are markup, the columns `numbers` stand to the right."""
    names = "".join(f"<th{_column(i, numbers)}>{name}</th>" for i, name in enumerate(head))
    body = "".join(
        "<tr>" + "".join(f"<td{_column(i, numbers)}>{cell}</td>" for i, cell in enumerate(row)) + "</tr>\n"
        for row in rows
    )
    top = f"<thead><tr>{names}</tr></thead>" if any(head) else ""
    return f'<div class="scroll"><table>{top}<tbody>\n{body}</tbody></table></div>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and their values, both markup."""
    return table(("", ""), [(f'<span class="name">{name}</span>', value) for name, value in rows])


def figure(svg: str, caption: str) -> str:
    """Return a card with a figure; both are markup."""
    return f'<figure class="card">\n{svg}<figcaption>{caption}</figcaption>\n</figure>'


def details(summary: str, content: str) -> str:
    """Return what is folded away until it is asked for; both are markup."""
    return f"<details><summary>{summary}</summary>\n{content}\n</details>"


def _column(index: int, numbers: Sequence[int]) -> str:
    return ' class="number"' if index in numbers else ' class="any"'

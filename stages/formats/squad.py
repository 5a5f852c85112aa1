"""Questions on passages as SQuAD 1.1 and 2.0 write them: one JSON object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from stages.core.errors import InputError
from stages.formats.cells import DECODER, NoColumn, cell_of, reason
from stages.formats.content import decoded
from stages.interfaces import Cell

COLUMNS = ("id", "title", "context", "question", "answers", "starts", "is_impossible")


@dataclass(frozen=True)
class Squad:
    """{"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers": [{"text", …}]}]}]}]}."""

    unit: ClassVar[str] = "question"

    def rows(self, path: Path, encoding: str, columns: Sequence[str]) -> Iterator[tuple[int, list[Cell]]]:
        """See stages.interfaces.Format; a row is a question, counted from 1; the whole file is held.

        Columns are id, title, context, question, answers (their texts), starts (their places in the context) and
        is_impossible; a question that is impossible has no answers.
        """
        for column in columns:
            if column not in COLUMNS:
                raise NoColumn(str(path), column, COLUMNS)
        try:
            tree = DECODER.decode("".join(decoded(path, encoding)))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: not JSON: {reason(error)}") from None
        number = 0
        for number, cells in enumerate(_questions(path, tree), 1):
            where = f"{path}, question {number}"
            yield number, [cell_of(cells[column], where, column) for column in columns]
        if not number:
            raise InputError(f"{path}: holds no question")


def _questions(path: Path, tree: Any) -> Iterator[dict[str, Any]]:
    for article in _held(tree, "data", list, str(path)):
        title = article.get("title") if isinstance(article, dict) else None
        for paragraph in _held(article, "paragraphs", list, f"{path}: data"):
            context = _held(paragraph, "context", str, f"{path}: paragraphs")
            for asked in _held(paragraph, "qas", list, f"{path}: paragraphs"):
                where = f"{path}: qas"
                question = _held(asked, "question", str, where)
                impossible = asked.get("is_impossible") is True
                answers = [] if impossible else _held(asked, "answers", list, where)
                yield {
                    "id": asked.get("id"), "title": title, "context": context, "question": question,
                    "answers": [_held(answer, "text", str, f"{where}: answers") for answer in answers],
                    "starts": [_held(answer, "answer_start", int, f"{where}: answers") for answer in answers],
                    "is_impossible": impossible,
                }  # fmt: skip


def _held(tree: Any, key: str, kind: type, where: str) -> Any:
    """Return `tree[key]`. Raises InputError unless it is there, of `kind`."""
    found = tree.get(key) if isinstance(tree, dict) else None
    if not isinstance(found, kind) or isinstance(found, bool):
        wanted = {list: "a list", str: "a text", int: "a whole number"}[kind]
        raise InputError(f"{where}: found {found!r:.60} at {key!r}, wanted {wanted}, as SQuAD has it")
    return found

"""The table of the worst errors."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from stages.scoring.report import Wrong
from stages.scoring.worst import worst_rows


@pytest.mark.parametrize(
    ("beside", "texts"),
    [(None, ("Who?", "It was she.")), (("question",), ("Who?", "")), ((), ("", ""))],
)
def test_only_texts_that_are_told_beside_an_error_are_there(
    beside: Collection[str] | None, texts: tuple[str, str]
) -> None:
    wrong = Wrong(1, "she", "it", "F1 0", beside=beside)
    told = {1: {"question": "Who?", "passage": "It was\nshe."}}
    assert worst_rows([wrong], [5, 7], told) == [("7", "she", "it", "F1 0", *texts)]

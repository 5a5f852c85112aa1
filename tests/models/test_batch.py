"""Windows as a model takes them: padded, or one after another."""

from __future__ import annotations

import numpy as np
import torch

from stages.models.batch import collate, prompted

PART = {
    "input_ids": [np.array([2, 7, 3], dtype=np.int32), np.array([2], dtype=np.int32)],
    "token_type_ids": [np.array([0, 1, 1], dtype=np.int32), np.array([0], dtype=np.int32)],
}


def test_padding_is_at_the_end() -> None:
    found = collate(PART, 9, packed=False, segments=True)
    assert {name: value.tolist() for name, value in found.items()} == {
        "input_ids": [[2, 7, 3], [2, 9, 9]],
        "attention_mask": [[1, 1, 1], [1, 0, 0]],
        "token_type_ids": [[0, 1, 1], [0, 0, 0]],
    }
    assert {value.dtype for value in found.values()} == {torch.int64}


def test_without_padding_there_are_lengths() -> None:
    found = collate(PART, 9, packed=True, segments=True)
    assert {name: value.tolist() for name, value in found.items()} == {
        "input_ids": [[2, 7, 3, 2]],
        "token_type_ids": [[0, 1, 1, 0]],
        "lengths": [3, 1],
    }


def test_segments_are_there_only_when_the_input_tells_them() -> None:
    assert set(collate({"input_ids": PART["input_ids"]}, 9, packed=False, segments=True)) == {
        "input_ids",
        "attention_mask",
    }


def test_virtual_tokens_stand_behind_the_first_and_places_move_along() -> None:
    part = {
        "input_ids": [np.array([2, 7, 3]), np.array([2, 3])],
        "token_type_ids": [np.array([1, 0, 0]), np.array([0, 0])],
    }
    found, places = prompted(part, np.array([0, 1, 2, 3, 4]), 2, 40)
    assert [row.tolist() for row in found["input_ids"]] == [[2, 40, 41, 7, 3], [2, 40, 41, 3]]
    assert [row.tolist() for row in found["token_type_ids"]] == [[1, 1, 1, 0, 0], [0, 0, 0, 0]]
    assert places is not None
    assert places.tolist() == [0, 3, 4, 5, 8]
    assert prompted(part, None, 2, 40)[1] is None

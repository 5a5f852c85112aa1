"""The outputs of several models as those of one, against the means they stand for."""

from __future__ import annotations

import numpy as np

from stages.scoring.classification import softmax
from stages.scoring.mixing import of_classes, of_labels, of_numbers

ONE, TWO = (np.array(of, dtype=np.float32) for of in ([[2.0, 0.0], [0.0, 50.0]], [[0.0, 1.0], [0.0, 40.0]]))


def test_classes_have_the_mean_of_the_probabilities() -> None:
    np.testing.assert_allclose(softmax(of_classes([ONE, TWO])), (softmax(ONE) + softmax(TWO)) / 2, atol=1e-7)


def test_labels_have_the_mean_of_their_chances() -> None:
    def chance(logits: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return 1 / (1 + np.exp(-logits.astype(np.float64)))

    found = of_labels([ONE, TWO, -ONE])
    np.testing.assert_allclose(chance(found), (chance(ONE) + chance(TWO) + chance(-ONE)) / 3, atol=1e-7)
    assert np.isfinite(of_labels([TWO * 10, TWO * 10])).all()  # where a chance is 1 in 64 bits


def test_numbers_have_their_mean() -> None:
    assert of_numbers([ONE, TWO]).tolist() == [[1.0, 0.5], [0.0, 45.0]]


def test_equal_models_are_one() -> None:
    for mixed in (of_classes, of_labels, of_numbers):
        assert (mixed([ONE, ONE]).argmax(axis=1) == ONE.argmax(axis=1)).all()

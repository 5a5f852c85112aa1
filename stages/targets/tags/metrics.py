"""The scores of a tagger by which runs are compared: spans that are right from end to end, and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.scoring.metric import Examples, Metric, mean

Ints = NDArray[np.int64]
SMALLEST = float(np.finfo(np.float64).eps)  # a smaller probability counts as this: no word has more than 36.04 nats


@dataclass(frozen=True)
class Judged(Examples):
    """Sentences with their tags and what the model said of each word, one sentence after another."""

    sentences: Ints  # (W,): that of each word, ascending
    truth: Ints  # (W,): tag indices
    guess: Ints  # (W,): those of the model; O for a word without a token
    sure: NDArray[np.float64]  # (W,): the probability of `guess`; 1 for a word without a token
    losses: NDArray[np.float64]  # (W,): nats; 0 for a word without a token
    seen: NDArray[np.bool_]  # (W,): whether a word has a token
    count: int  # of sentences
    types: int

    @classmethod
    def of(cls, outputs: NDArray[np.float32], part: Mapping[str, Any], space: Mapping[str, Any]) -> Judged:
        """Return the sentences of `part`; `outputs` are the logits of their words that have a token, (M, C)."""
        truth, places = (np.concatenate(part[name]).astype(np.int64) for name in ("tags", "places"))
        seen = places >= 0
        exact = outputs.astype(np.float64)
        powers = np.exp(exact - exact.max(axis=1, keepdims=True))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        guess, sure, losses = np.zeros(len(truth), dtype=np.int64), np.ones(len(truth)), np.zeros(len(truth))
        rows = np.arange(len(outputs))
        guess[seen] = outputs.argmax(axis=1)
        sure[seen] = probabilities[rows, guess[seen]]
        losses[seen] = -np.log(np.clip(probabilities[rows, truth[seen]], SMALLEST, 1.0))
        sentences = np.repeat(part["example"].astype(np.int64), [len(words) for words in part["words"]])
        return cls(
            sentences, truth, guess, sure, losses, seen, int(part["example"].max()) + 1, (len(space["labels"]) - 1) // 2
        )

    def __len__(self) -> int:
        return self.count

    def predictions(self) -> Ints:
        """Return the tag of each word, (W,)."""
        return self.guess

    @cached_property
    def true_spans(self) -> Ints:
        """Return the spans of the data, (S, 3): first word, end, type."""
        return spans(self.truth, self.sentences)

    @cached_property
    def guessed_spans(self) -> Ints:
        """Return the spans of the model, (S, 3)."""
        return spans(self.guess, self.sentences)

    @cached_property
    def right_spans(self) -> Ints:
        """Return the spans that are in both, (S, 3)."""
        own = {tuple(span) for span in self.true_spans.tolist()}
        found = [span for span in self.guessed_spans.tolist() if tuple(span) in own]
        return np.array(found, dtype=np.int64).reshape(-1, 3)

    def per_sentence(self, found: Ints) -> NDArray[np.float64]:
        """Return how many of the spans `found` (S, 3) there are of each type in each sentence, (N, T)."""
        places = self.sentences[found[:, 0]] * self.types + found[:, 2]
        return np.bincount(places, minlength=self.count * self.types).reshape(self.count, self.types).astype(np.float64)


def spans(tags: NDArray[np.int64], sentences: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the spans that BIO tags name, (S, 3): first word, end, type.

    tags (W,): 0 for O, 1 + 2 t for B and 2 + 2 t for I of type t; sentences (W,): that of each word. Tags of a model
    may be ill-formed: I-TYPE after another type, or after none, begins a span, as the evaluation of CoNLL (conlleval)
    and seqeval's default have it.
    """
    inside = tags > 0
    types = (tags - 1) // 2
    follows = np.zeros(len(tags), dtype=bool)  # whether a word goes on with the span of the one before
    follows[1:] = (
        inside[1:] & inside[:-1] & (tags[1:] % 2 == 0) & (types[1:] == types[:-1]) & (sentences[1:] == sentences[:-1])
    )
    first = np.flatnonzero(inside & ~follows)
    ends = np.flatnonzero(inside & ~np.append(follows[1:], False)) + 1
    return np.column_stack([first, ends, types[first]])


def tallied(judged: Judged) -> NDArray[np.float64]:
    """Return the right, true and guessed spans of each type in each sentence, (N, 3 T)."""
    found = (judged.right_spans, judged.true_spans, judged.guessed_spans)
    return np.concatenate([judged.per_sentence(of) for of in found], axis=1)


def words_right(judged: Judged) -> NDArray[np.float64]:
    """Return how many words of each sentence have their tag, and how many there are, (N, 2)."""
    right = np.bincount(judged.sentences, weights=judged.truth == judged.guess, minlength=judged.count)
    return np.column_stack([right, np.bincount(judged.sentences, minlength=judged.count)])


def word_losses(judged: Judged) -> NDArray[np.float64]:
    """Return the sum of the losses of each sentence's words, and how many of them have a token, (N, 2)."""
    return np.column_stack(
        [np.bincount(judged.sentences, weights=of, minlength=judged.count) for of in (judged.losses, judged.seen)]
    )


def ratio(part: Any, whole: Any) -> Any:
    """Return part / whole, 0 where `whole` is."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), 0.0)


def f1_of(sums: NDArray[np.float64]) -> Any:
    """Return the F1 over all spans, (...), of the sums of `tallied`, (..., 3 T)."""
    right, true, guessed = (of.sum(-1) for of in np.split(sums, 3, axis=-1))
    return ratio(2 * right, true + guessed)


ACCURACY = Metric("higher", mean, words_right, margin=0.005, worst=0.0)
F1 = Metric("higher", f1_of, tallied, margin=0.01, worst=0.0)
LOSS = Metric("lower", mean, word_losses)
METRICS = {"loss": LOSS, "accuracy": ACCURACY, "f1": F1}

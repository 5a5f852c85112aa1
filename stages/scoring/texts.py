"""Scores of a text that was written against the one that is wanted, as the libraries of the field give them.

Each is a function of sums over texts, so one bootstrap serves them all: exact match and ROUGE (Lin 2004, by
rouge-score) are means; BLEU (Papineni et al. 2002) and chrF (Popović 2015) add up what sacrebleu counts of each text.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.scoring.metric import Metric, counted, mean

Texts = Sequence[str]
Floats = NDArray[np.float64]
_NUMBER = re.compile(r"-?[0-9][0-9,]*(?:\.[0-9]+)?|-?\.[0-9]+")
ROUGE = ("rouge1", "rouge2", "rougeL")


def number(text: str) -> str:
    """Return the last number in a text, without commas and needless noughts; "" where there is none."""
    found = _NUMBER.findall(text)
    if not found:
        return ""
    plain = str(found[-1]).replace(",", "")
    whole = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return whole if whole not in ("", "-", "-0") else "0"


def squad(text: str) -> str:
    """Return a text as SQuAD's official script compares it (Rajpurkar et al. 2016, arXiv:1606.05250).

    Lower case, without punctuation and the articles a, an and the, with single blanks.
    """
    text = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


NORMALISERS: dict[str, Callable[[str], str]] = {
    "none": str.strip, "lower": lambda text: " ".join(text.lower().split()), "squad": squad, "number": number,
}  # fmt: skip


def answer(text: str, extract: str | None, normalise: str) -> str:
    """Return what of a text is compared: what `extract` finds last, its first group if it has one, then normalised."""
    if extract is not None:
        found = list(re.finditer(extract, text))
        text = (found[-1][1 if found[-1].re.groups else 0] or "") if found else ""
    return NORMALISERS[normalise](text)


def matches(wanted: Texts, written: Texts, extract: str | None, normalise: str) -> Floats:
    """Return 1 for each text whose answer is the wanted one, else 0, (N,); where nothing is wanted, 0."""
    ours, theirs = ([answer(text, extract, normalise) for text in of] for of in (wanted, written))
    return np.array([float(bool(one) and one == two) for one, two in zip(ours, theirs, strict=True)])


def rouge(wanted: Texts, written: Texts) -> dict[str, Floats]:
    """Return the F-measures of unigrams, bigrams and the longest common subsequence, (N,) each, with stemming."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGE), use_stemmer=True)
    scores = [scorer.score(one, two) for one, two in zip(wanted, written, strict=True)]
    return {name: np.array([of[name].fmeasure for of in scores]) for name in ROUGE}


def corpus(kind: str, wanted: Texts, written: Texts) -> tuple[Metric, str]:
    """Return the score `bleu` or `chrf` of N texts, 0 to 100, and the signature by which others compute it."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    scorer: Any = BLEU() if kind == "bleu" else CHRF()
    scorer.corpus_score(list(written), [list(wanted)])
    counts = np.array(scorer._extract_corpus_statistics(list(written), [list(wanted)]), dtype=np.float64)

    def value(sums: Floats) -> Floats:
        rows = sums.reshape(-1, sums.shape[-1])
        scores = [float(scorer._compute_score_from_stats([round(n) for n in row]).score) for row in rows.tolist()]
        return np.array(scores).reshape(sums.shape[:-1])

    signature = f"{'BLEU' if kind == 'bleu' else 'chrF'} {scorer.get_signature().format()}"
    return Metric("higher", value, lambda _: counts, margin=1.0, worst=0.0), signature


def means(values: Floats) -> Metric:
    """Return the mean of `values` (N,) as a score."""
    return Metric("higher", mean, lambda _: counted(values), margin=0.02, worst=0.0)

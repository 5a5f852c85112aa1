"""Scores of a classifier, their intervals, and the plots' data: NumPy arrays in, plain values out, never torch.

`HEADLINE` is the registry of `train.best_metric`. All else of this family is used by the evaluate stage.

Two rules hold throughout. An average over classes goes over the classes that have test examples, so that what is
averaged depends on the data and not on what a model happens to predict. A score whose definition divides by zero is
None and has a note that names it; it is neither 0 nor NaN.
"""

from __future__ import annotations

from stages.scoring.headline import Metric, accuracy, log_loss, macro_f1
from stages.scoring.probabilities import softmax

HEADLINE = {
    "macro_f1": Metric("higher", macro_f1),
    "accuracy": Metric("higher", accuracy),
    "loss": Metric("lower", log_loss),
}

__all__ = ["HEADLINE", "Metric", "softmax"]

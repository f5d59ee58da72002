"""How well a classifier does, from its confusion counts. Counts add up over workers, so every figure is exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def confusion(truth: ArrayLike, said: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Counts [truth, said], shape (classes, classes), of documents whose `truth` is not negative."""
    true, told = np.asarray(truth, np.int64).ravel(), np.asarray(said, np.int64).ravel()
    known = true >= 0
    counts = np.bincount(true[known] * classes + told[known], minlength=classes * classes)
    return counts.reshape(classes, classes)


def accuracy(counts: ArrayLike) -> float:
    """The share of documents that were given their own class; 0 when there is none."""
    matrix = np.asarray(counts, np.float64)
    return float(np.trace(matrix) / max(1.0, matrix.sum()))


def macro_f1(counts: ArrayLike) -> float:
    """The mean, over the classes that occur or were given, of the harmonic mean of precision and recall."""
    matrix = np.asarray(counts, np.float64)
    occurred = matrix.sum(axis=0) + matrix.sum(axis=1)
    scores = 2 * np.diag(matrix)[occurred > 0] / occurred[occurred > 0]
    return float(scores.mean()) if scores.size else 0.0

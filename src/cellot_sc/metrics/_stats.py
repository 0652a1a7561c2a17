"""Small statistics that several metrics share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

SMALLEST_VARIANCE = 1e-12
"""Keeps the score of a feature that never varies finite."""


class Welch(NamedTuple):
    """Welch's t test of every feature, arrays of shape ``(n_features,)``."""

    score: np.ndarray
    pvalue: np.ndarray


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Pearson correlation of two vectors; NaN if either is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.clip(np.corrcoef(a, b)[0, 1], -1, 1))


def welch(x: np.ndarray, y: np.ndarray) -> Welch:
    """Test whether each feature has the same mean in both clouds; a positive score means that ``x`` has more."""
    m, n = len(x), len(y)
    of_x, of_y = x.var(axis=0, ddof=1) / m, y.var(axis=0, ddof=1) / n
    variance = np.maximum(of_x + of_y, SMALLEST_VARIANCE)
    score = (x.mean(axis=0) - y.mean(axis=0)) / np.sqrt(variance)
    freedom = variance**2 / np.maximum(of_x**2 / (m - 1) + of_y**2 / (n - 1), SMALLEST_VARIANCE**2)
    return Welch(score, 2 * stdtr(freedom, -np.abs(score)))

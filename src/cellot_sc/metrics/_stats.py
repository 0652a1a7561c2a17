"""Small statistics that several metrics share."""

from __future__ import annotations

import numpy as np
from scipy import stats

SMALLEST_VARIANCE = 1e-12
"""Keeps the score of a feature that never varies finite."""


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Pearson correlation of two vectors; NaN if either is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.clip(np.corrcoef(a, b)[0, 1], -1, 1))


def welch(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Welch's t of every feature, positive where ``x`` has more, and the p-value of equal means in both clouds.

    Both have the shape ``(n_features,)``.
    """
    m, n = len(x), len(y)
    of_x, of_y = x.var(axis=0, ddof=1) / m, y.var(axis=0, ddof=1) / n
    of_x += np.maximum(SMALLEST_VARIANCE - of_x - of_y, 0)
    # not from the cells: of features that never vary, scipy would warn
    return stats.ttest_ind_from_stats(
        x.mean(axis=0), np.sqrt(of_x * m), m, y.mean(axis=0), np.sqrt(of_y * n), n, equal_var=False
    )

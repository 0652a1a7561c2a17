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


def middle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the point between the means of two clouds, from which their coordinates lose the fewest digits."""
    return (x.mean(axis=0) + y.mean(axis=0)) / 2


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the dense matrix of squared Euclidean distances, float64, shape ``(n_x, n_y)``: for few cells."""
    center = middle(x, y)
    x, y = x - center, y - center
    return np.maximum((x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * x @ y.T, 0)


def welch(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Welch's t of every feature, positive where ``x`` has more, and the p-value of equal means in both clouds.

    Both have the shape ``(n_features,)``.
    """
    return welch_of_moments(*((len(cells), cells.mean(axis=0), cells.var(axis=0, ddof=1)) for cells in (x, y)))


type SampleMoments = tuple[int, np.ndarray, np.ndarray]
"""Number of cells, and the mean and unbiased variance of every feature."""


def welch_of_moments(x: SampleMoments, y: SampleMoments) -> tuple[np.ndarray, np.ndarray]:
    """Return what :func:`welch` does, of the moments of two clouds."""
    (m, x_mean, x_variance), (n, y_mean, y_variance) = x, y
    x_error, y_error = x_variance / m, y_variance / n
    x_error += np.maximum(SMALLEST_VARIANCE - x_error - y_error, 0)
    # not from the cells: of features that never vary, scipy would warn
    return stats.ttest_ind_from_stats(x_mean, np.sqrt(x_error * m), m, y_mean, np.sqrt(y_error * n), n, equal_var=False)

"""Means and covariances of clouds of cells, which may differ in weight."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

CHUNK = 65_536
"""Cells that are held in double precision at once."""


class Moments(NamedTuple):
    """Mean, shrunk covariance, and the expected squared error of the covariance before it was shrunk."""

    mean: np.ndarray
    covariance: np.ndarray
    noise: float


def moments(x: np.ndarray, weights: np.ndarray | None = None) -> Moments:
    """Return the mean and the shrunk covariance of a cloud, in float64.

    The covariance is shrunk towards a multiple of the identity by the closed form of Ledoit and Wolf (2004,
    doi 10.1016/S0047-259X(03)00096-4), so that it is well conditioned with fewer cells than dimensions.

    Parameters
    ----------
    x
        Cells, shape ``(n_cells, n_dims)``.
    weights
        How much each counts, shape ``(n_cells,)``, or ``None`` if they count alike.

    Returns
    -------
    Mean of shape ``(n_dims,)``, covariance of shape ``(n_dims, n_dims)`` and its noise.
    """
    n_cells, n_dims = x.shape
    mean = mean_of(x, weights)
    empirical, fourth = np.zeros((n_dims, n_dims)), 0.0
    # in double precision all cells at once would take twice the memory of the cells themselves
    for start in range(0, n_cells, CHUNK):
        z = x[start : start + CHUNK] - mean
        if weights is None:
            empirical += z.T @ z / n_cells
            fourth += ((z**2).sum(axis=1) ** 2).sum() / n_cells
        else:
            share = shares_of(weights)[start : start + CHUNK]
            empirical += (z * share[:, None]).T @ z
            fourth += share @ (z**2).sum(axis=1) ** 2
    scale = np.trace(empirical) / n_dims
    spread = (empirical**2).sum() - n_dims * scale**2
    noise = (fourth - (empirical**2).sum()) / effective_size(n_cells, weights)
    shrinkage = 1.0 if spread <= 0 else min(max(noise / spread, 0.0), 1.0)
    # a hundred-thousandth of the mean variance keeps constant features from making the map singular
    ridge = 1e-5 * scale if scale > 0 else 1.0
    covariance = (1 - shrinkage) * empirical + (shrinkage * scale + ridge) * np.eye(n_dims)
    return Moments(mean, covariance, max(noise, 0.0))


def mean_of(x: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Return the mean of a cloud, in float64."""
    return x.mean(axis=0, dtype=np.float64) if weights is None else shares_of(weights) @ x


def shares_of(weights: np.ndarray) -> np.ndarray:
    """Return weights as shares of their sum, in float64."""
    weights = weights.astype(np.float64)
    return weights / weights.sum()


def effective_size(n_cells: int, weights: np.ndarray | None) -> float:
    """Return how many cells of equal weight would make means as certain (Kish 1965)."""
    return n_cells if weights is None else 1 / float((shares_of(weights) ** 2).sum())

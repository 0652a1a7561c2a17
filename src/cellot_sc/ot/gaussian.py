"""The optimal map between the Gaussians that two clouds of cells look like."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .maps import AffineMap

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


def bures_matrix(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return A = S^-1/2 (S^1/2 R S^1/2)^1/2 S^-1/2 for covariances S (source) and R (target).

    The optimal map between centred Gaussians (Peyre and Cuturi 2019, remark 2.31). In float64 through
    eigendecompositions, because the iterative square roots of ott work in float32.
    """
    values, vectors = np.linalg.eigh(source)
    root = (vectors * np.sqrt(values)) @ vectors.T
    inverse_root = (vectors / np.sqrt(values)) @ vectors.T
    values, vectors = np.linalg.eigh(root @ target @ root)
    middle = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    matrix = inverse_root @ middle @ inverse_root
    return (matrix + matrix.T) / 2


def gaussian_map(
    source: np.ndarray,
    target: np.ndarray,
    source_weights: np.ndarray | None = None,
    target_weights: np.ndarray | None = None,
) -> AffineMap:
    """Return the optimal affine map between two clouds of cells, each of shape ``(n_cells, n_dims)``."""
    s, t = moments(source, source_weights), moments(target, target_weights)
    return AffineMap(bures_matrix(s.covariance, t.covariance), s.mean, t.mean)


def cautious_gaussian_map(
    source: np.ndarray,
    target: np.ndarray,
    source_weights: np.ndarray | None = None,
    target_weights: np.ndarray | None = None,
) -> AffineMap:
    """Return the affine map between Gaussians of which the target's moments are shrunk towards the source's.

    Both differences, of means and of covariances, are multiplied by the positive part of 1 - noise / signal, where the
    noise is what sampling alone makes of the difference (James and Stein 1961). With no effect, or too few cells to see
    one, the map is the identity; with a clear one, it is :func:`gaussian_map`.
    """
    s, t = moments(source, source_weights), moments(target, target_weights)
    shift, bend = t.mean - s.mean, t.covariance - s.covariance
    n_source, n_target = effective_size(len(source), source_weights), effective_size(len(target), target_weights)
    mean_noise = np.trace(s.covariance) / n_source + np.trace(t.covariance) / n_target
    shift = shift * _kept(mean_noise, shift @ shift)
    bend = bend * _kept(s.noise + t.noise, (bend**2).sum())
    return AffineMap(bures_matrix(s.covariance, s.covariance + bend), s.mean, s.mean + shift)


def _kept(noise: float, signal: float) -> float:
    return max(0.0, 1.0 - noise / signal) if signal > 0 else 0.0

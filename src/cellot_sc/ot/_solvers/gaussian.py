"""The optimal map between the Gaussians that two clouds of cells look like."""

from __future__ import annotations

import numpy as np

from .._maps.affine import AffineMap
from .._moments import CellCloud, Moments, effective_size, moments
from .solver import NoOptions, Solver, closed_form


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
    source: CellCloud,
    target: CellCloud,
    source_weights: np.ndarray | None = None,
    target_weights: np.ndarray | None = None,
) -> AffineMap:
    """Return the optimal affine map between two clouds of cells, each of shape ``(n_cells, n_dims)``."""
    s, t = moments(source, source_weights), moments(target, target_weights)
    return AffineMap(bures_matrix(s.covariance, t.covariance), s.mean, t.mean)


def cautious_gaussian_map(
    source: CellCloud,
    target: CellCloud,
    source_weights: np.ndarray | None = None,
    target_weights: np.ndarray | None = None,
) -> AffineMap:
    """Return the affine map between Gaussians of which the target's moments are shrunk towards the source's.

    Both differences, of means and of covariances, are multiplied by the positive part of 1 - noise / signal, where the
    noise is what sampling alone makes of the difference (James and Stein 1961). With no effect, or too few cells to see
    one, the map is the identity; with a clear one, it is :func:`gaussian_map`. The noise of the difference of means,
    the expected square of its length, is that of cells drawn from the whole cloud.
    """
    s, t = moments(source, source_weights), moments(target, target_weights)
    n_source, n_target = effective_size(len(source), source_weights), effective_size(len(target), target_weights)
    return cautious_map(s, t, np.trace(s.covariance) / n_source + np.trace(t.covariance) / n_target)


def cautious_map(s: Moments, t: Moments, mean_noise: float) -> AffineMap:
    """Return the map of :func:`cautious_gaussian_map`, given moments and the noise of the difference of means."""
    shift, bend = t.mean - s.mean, t.covariance - s.covariance
    shift = shift * _kept(mean_noise, shift @ shift)
    bend = bend * _kept(s.noise + t.noise, (bend**2).sum())
    return AffineMap(bures_matrix(s.covariance, s.covariance + bend), s.mean, s.mean + shift)


def _kept(noise: float, signal: float) -> float:
    return max(0.0, 1.0 - noise / signal) if signal > 0 else 0.0


SOLVER = Solver(
    "gaussian",
    "optimal affine map between Gaussians",
    NoOptions,
    closed_form(lambda p: gaussian_map(p.source, p.target, p.source_weights, p.target_weights)),
    label="Gaussian map",
    weighs=True,
    affine="affine",
    streams=True,
)

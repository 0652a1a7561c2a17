"""Whether an affine map already explains the treated cells, so that a network could only learn noise."""

from __future__ import annotations

import numpy as np

from .._maps.base import TransportMap

MAX_CELLS = 2000
"""Cells of either cloud that are compared, at most."""
N_PERMUTATIONS = 100
NARROWNESS = 16.0
"""Kernel width, in units of one over the median squared distance."""
THRESHOLD = 4.0
"""Standard deviations of the permuted MMDs by which the observed one has to exceed their mean."""
MIN_CELLS = 20
"""Fewer cells than this cannot stand for a cloud of cells that differ in weight."""


def explains(
    transport: TransportMap,
    source: np.ndarray,
    target: np.ndarray,
    source_weights: np.ndarray | None = None,
    target_weights: np.ndarray | None = None,
) -> bool:
    """Return whether transported source cells could be a sample of the target cells.

    By permutation tests of the MMD with kernels of the size of a subpopulation (see :class:`.criteria.View`): in the
    dimensions in which target cells vary most, and in those in which source and target differ most. Of cells that
    differ in weight, a sample is tested in which they do not; where that is too small, nothing is explained.

    Parameters
    ----------
    transport
        The map in question.
    source, target
        Train cells, shapes ``(n, n_dims)`` and ``(m, n_dims)``.
    source_weights, target_weights
        How much each counts, or ``None`` if they count alike.
    """
    rng = np.random.default_rng(0)
    if source_weights is not None or target_weights is not None:
        source, target = _alike(source, source_weights, rng), _alike(target, target_weights, rng)
        if min(len(source), len(target)) < MIN_CELLS:
            return False
    x, y = (cells[rng.permutation(len(cells))[:MAX_CELLS]] for cells in (source, target))
    moved = transport.transport(x)
    for view in _widest(y):
        if _excess(moved @ view, y @ view, rng) > THRESHOLD:
            return False
    # where the clouds differ is looked for in one half of the cells and tested in the other, as chance differs too
    n, m = len(x) // 2, len(y) // 2
    return all(_excess(moved[n:] @ view, y[m:] @ view, rng) <= THRESHOLD for view in _contrasts(x[:n], y[:m]))


def _alike(cells: np.ndarray, weights: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """Return cells that count alike: each is kept with a chance in proportion to its weight."""
    return cells if weights is None else cells[rng.random(len(cells)) < weights / weights.max()]


def _widest(y: np.ndarray) -> list[np.ndarray]:
    """Return bases of shape ``(n_dims, k)`` in which target cells vary most."""
    vectors = np.linalg.eigh(np.cov(y.T).reshape(y.shape[1], -1))[1]
    return [vectors[:, -2:], vectors[:, -5:]]


def _contrasts(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Return bases of shape ``(n_dims, k)`` in which two clouds differ most in their means and covariances."""
    values, vectors = np.linalg.eigh((np.cov(y.T) - np.cov(x.T)).reshape(y.shape[1], -1))
    return [vectors[:, np.argsort(-np.abs(values))[:2]], (y.mean(0) - x.mean(0))[:, None]]


def _excess(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    """Return by how many standard deviations the MMD exceeds what permuted labels give."""
    pooled = np.concatenate([x, y]).astype(np.float32)
    pooled -= pooled.mean(0)
    squares = (pooled**2).sum(1)
    squared = np.maximum(squares[:, None] + squares - 2 * pooled @ pooled.T, 0)
    kernel = np.exp(squared * np.float32(-NARROWNESS / (np.median(squared[:: max(1, len(squared) // 500)]) or 1.0)))
    np.fill_diagonal(kernel, 0)
    inside = np.tile(np.arange(len(pooled)) < len(x), (N_PERMUTATIONS + 1, 1))
    inside[1:] = rng.permuted(inside[1:], axis=1)
    inside = inside.astype(np.float32)
    to_x = inside @ kernel
    within_x = (to_x * inside).sum(1, dtype=np.float64)
    between = to_x.sum(1, dtype=np.float64) - within_x
    within_y = kernel.sum(dtype=np.float64) - 2 * between - within_x
    n, m = len(x), len(y)
    mmd = within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * between / (n * m)
    spread = mmd[1:].std()
    return float((mmd[0] - mmd[1:].mean()) / spread) if spread > 0 else 0.0

"""Whether an affine map already explains the treated cells, so that a network could only learn noise."""

from __future__ import annotations

import numpy as np

from .._maps.base import TransportMap
from .._moments import CellCloud, rows_of

MAX_CELLS = 2000
"""Cells of either cloud that are compared, at most."""
NARROWNESS = 16.0
"""Kernel width, in units of one over the median squared distance."""
THRESHOLD = 4.0
"""Standard deviations of the permuted MMDs by which the observed one has to exceed their mean."""
MIN_CELLS = 20
"""Fewer cells than this cannot stand for a cloud of cells that differ in weight."""


def explains(
    transport: TransportMap,
    source: CellCloud,
    target: CellCloud,
    source_weights: np.ndarray | None = None,
    target_weights: np.ndarray | None = None,
) -> bool:
    """Return whether transported source cells could be a sample of the target cells.

    By permutation tests, in closed form, of the MMD with kernels of the size of a subpopulation (see
    :class:`.criteria.View`): in the dimensions in which target cells vary most, and in those in which source and target
    differ most. Of cells that differ in weight, a sample is tested in which they do not; where that is too small,
    nothing is explained.

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
    # one half of the cells is not enough to see how they vary
    if min(len(source), len(target)) < 4:
        return True
    x, y = (rows_of(cells, rng.permutation(len(cells))[:MAX_CELLS]) for cells in (source, target))
    moved = transport.transport(x)
    for view in _widest(y):
        if _excess(moved @ view, y @ view) > THRESHOLD:
            return False
    # where the clouds differ is looked for in one half of the cells and tested in the other, as chance differs too
    n, m = len(x) // 2, len(y) // 2
    return all(_excess(moved[n:] @ view, y[m:] @ view) <= THRESHOLD for view in _contrasts(x[:n], y[:m]))


def _alike(cells: CellCloud, weights: np.ndarray | None, rng: np.random.Generator) -> CellCloud:
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


def _excess(x: np.ndarray, y: np.ndarray) -> float:
    """Return by how many standard deviations the MMD exceeds what permuted labels give."""
    pooled = np.concatenate([x, y]).astype(np.float32)
    pooled -= pooled.mean(0)
    squares = (pooled**2).sum(1)
    kernel = pooled @ (-2 * pooled.T)
    kernel += squares[:, None]
    kernel += squares
    np.maximum(kernel, 0, out=kernel)
    kernel *= np.float32(-NARROWNESS / (np.median(kernel[:: max(1, len(kernel) // 500)]) or 1.0))
    np.exp(kernel, out=kernel)
    np.fill_diagonal(kernel, 0)
    # the same for all pairs adds nothing to the MMD, and less is lost to rounding around 0
    kernel -= kernel.sum(dtype=np.float64) / (kernel.size - len(kernel))
    np.fill_diagonal(kernel, 0)
    inside = np.repeat(np.eye(2, dtype=np.float32), [len(x), len(y)], axis=0)
    to_groups = (kernel @ inside).astype(np.float64)
    within = (to_groups * inside).sum(0)
    total = to_groups.sum()
    n, m = len(x), len(y)
    mmd = within @ _weights(n, m) - total / (n * m)
    spread = _permuted_spread(n, m, float(np.vdot(kernel, kernel)), to_groups.sum(1))
    return float(mmd / spread) if spread > 0 else 0.0


def _weights(n: int, m: int) -> np.ndarray:
    """Return what the sums of the kernel within both groups count in the MMD, given the sum over all pairs."""
    return np.array([1 / (n * (n - 1)), 1 / (m * (m - 1))]) + 1 / (n * m)


def _permuted_spread(n: int, m: int, squares: float, rows: np.ndarray) -> float:
    """Return the standard deviation of the MMD over all permutations of the labels; its mean is 0.

    In closed form (Song and Chen 2020, Generalized kernel two-sample tests), from the sum of the squares of a kernel
    without diagonal and the sums of its rows.
    """
    # sums of products of two entries that share both cells, one, and none
    total = rows.sum()
    one = rows @ rows - squares
    none = total**2 - 2 * squares - 4 * one

    def chance(*counts: int) -> float:
        return float(np.prod([count / (n + m - i) for i, count in enumerate(counts)]))

    def variance(k: int) -> float:
        pairs = chance(k, k - 1)
        of_one, of_none = chance(k, k - 1, k - 2), chance(k, k - 1, k - 2, k - 3)
        return 2 * squares * pairs + 4 * one * of_one + none * of_none - (total * pairs) ** 2

    both = none * chance(n, n - 1, m, m - 1) - total**2 * chance(n, n - 1) * chance(m, m - 1)
    weights = _weights(n, m)
    return float(np.sqrt(max(weights @ np.array([[variance(n), both], [both, variance(m)]]) @ weights, 0.0)))

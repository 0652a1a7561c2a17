"""What validation cells say of a map: how far transported cells are from observed ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._moments import CellCloud, moments, rows_of, shares_of

type Points = np.ndarray | jax.Array

PAPER_GAMMAS = (2.0, 1.0, 0.5, 0.1, 0.01, 0.005)
"""Kernel widths whose mean the CellOT publication selects its checkpoint by."""


def _squared_distances(x: Points, y: Points) -> Any:
    # numpy where nothing is traced: jax would compile every operation on its own
    xp = x.__array_namespace__()
    return xp.maximum((x * x).sum(1)[:, None] + (y * y).sum(1)[None] - 2 * x @ y.T, 0.0)


def _distances(x: Points, y: Points) -> Any:
    return x.__array_namespace__().sqrt(_squared_distances(x, y))


def energy(x: jax.Array, y: jax.Array, x_mask: jax.Array, y_mask: jax.Array) -> jax.Array:
    """Return the unbiased energy distance between two padded clouds (Szekely and Rizzo 2013).

    Parameters
    ----------
    x, y
        Cells, shapes ``(n, n_dims)`` and ``(m, n_dims)``.
    x_mask, y_mask
        1 for a cell, 0 for padding.
    """
    return _unbiased(x, y, x_mask, y_mask, _distances)


def _unbiased(
    x: jax.Array, y: jax.Array, x_mask: jax.Array, y_mask: jax.Array, distance: Callable[[Points, Points], jax.Array]
) -> jax.Array:
    """Return 2 E d(x, y) - E d(x, x') - E d(y, y') of two padded clouds, over pairs of different cells."""
    center = (y * y_mask[:, None]).sum(0) / jnp.maximum(y_mask.sum(), 1)
    x, y = x - center, y - center

    def mean_within(z: jax.Array, mask: jax.Array) -> jax.Array:
        pairs = mask[:, None] * mask[None] * (1 - jnp.eye(len(z)))
        return (distance(z, z) * pairs).sum() / jnp.maximum(pairs.sum(), 1)

    pairs = x_mask[:, None] * y_mask[None]
    between = (distance(x, y) * pairs).sum() / jnp.maximum(pairs.sum(), 1)
    return 2 * between - mean_within(x, x_mask) - mean_within(y, y_mask)


def paper_mmd(x: jax.Array, y: jax.Array, x_mask: jax.Array, y_mask: jax.Array) -> jax.Array:
    """Return the biased squared MMD averaged over :data:`PAPER_GAMMAS`, as the CellOT publication selects by."""

    def mean_kernel(a: jax.Array, b: jax.Array, pairs: jax.Array) -> jax.Array:
        squared = _squared_distances(a, b)
        kernel = sum(jnp.exp(-gamma * squared) for gamma in PAPER_GAMMAS) / len(PAPER_GAMMAS)
        return (kernel * pairs).sum() / jnp.maximum(pairs.sum(), 1)

    xx, yy, xy = x_mask[:, None] * x_mask, y_mask[:, None] * y_mask, x_mask[:, None] * y_mask
    return mean_kernel(x, x, xx) + mean_kernel(y, y, yy) - 2 * mean_kernel(x, y, xy)


class View(NamedTuple):
    """The leading dimensions of treated cells, and kernel widths of the size of a subpopulation there.

    In all dimensions at once the noise of the many hides the few in which responses differ: a kernel narrower than the
    cloud, in the leading few, sees whether every subpopulation has arrived.
    """

    basis: Points
    """Shape ``(n_dims, n_leading)``."""
    gammas: Points
    """Inverse squared widths, shape ``(3,)``."""


N_LEADING = 5
NARROWNESS = (4.0, 16.0, 64.0)
"""Kernel widths of a view, in units of one over the median squared distance."""
_SAMPLE = 1000


def view_of(cells: CellCloud) -> View:
    """Return the leading dimensions of a cloud of cells, shape ``(n_cells, n_dims)``, and the kernel widths there."""
    n_dims = cells.shape[1]
    vectors = np.linalg.eigh(moments(cells).covariance)[1]
    basis = np.zeros((n_dims, N_LEADING), dtype=np.float32)
    basis[:, : min(n_dims, N_LEADING)] = vectors[:, ::-1][:, :N_LEADING]
    rng = np.random.default_rng(0)
    sample = rows_of(cells, rng.permutation(len(cells))[:_SAMPLE]) @ basis
    median = float(np.median(_squared_distances(sample, sample)[np.triu_indices(len(sample), 1)]))
    return View(basis, np.array(NARROWNESS, dtype=np.float32) / (median or 1.0))


def local_kernel(x: Points, y: Points, view: View) -> Any:
    """Return the mean kernel of every pair of cells, shape ``(n, m)``."""
    squared = _squared_distances(x @ view.basis, y @ view.basis)
    return x.__array_namespace__().exp(-view.gammas[:, None, None] * squared).mean(0)


def local_mmd(x: jax.Array, y: jax.Array, x_mask: jax.Array, y_mask: jax.Array, view: View) -> jax.Array:
    """Return the unbiased squared MMD of two padded clouds in a view: whether every region gets its share of cells."""
    return _unbiased(x, y, x_mask, y_mask, lambda a, b: -local_kernel(a, b, view))


class Discrepancy(NamedTuple):
    """A distance between two clouds, and how much each cell of either contributes to it."""

    value: float
    from_x: np.ndarray
    from_y: np.ndarray


type Weights = tuple[np.ndarray | None, np.ndarray | None]
"""How much the cells of either cloud count, or ``None`` where they count alike."""


def energy_score(x: np.ndarray, y: np.ndarray, weights: Weights = (None, None)) -> Discrepancy:
    """Return the unbiased energy distance and its contributions."""
    return _score(x, y, _distances, weights)


def local_score(x: np.ndarray, y: np.ndarray, view: View, weights: Weights = (None, None)) -> Discrepancy:
    """Return the unbiased squared MMD in a view and its contributions."""
    return _score(x, y, lambda a, b: -local_kernel(a, b, view), weights)


def _score(
    x: np.ndarray, y: np.ndarray, distance: Callable[[Points, Points], np.ndarray], weights: Weights
) -> Discrepancy:
    """Return 2 E d(x, y) - E d(x, x') - E d(y, y') and its projections on single cells (Hoeffding 1948).

    Those of cells that differ in weight are about 0, and scaled by how much each counts.
    """
    a, b = (shares_of(np.ones(len(of)) if w is None else w) for of, w in zip((x, y), weights, strict=True))
    is_weighted = any(of is not None for of in weights)
    center = (b @ y).astype(np.float32) if is_weighted else y.mean(0)
    x, y = x - center, y - center
    xy, xx, yy = (np.array(distance(p, q), dtype=np.float64) for p, q in ((x, y), (x, x), (y, y)))
    np.fill_diagonal(xx, 0)
    np.fill_diagonal(yy, 0)
    if not is_weighted:
        within_x, within_y = xx.sum(1) / max(len(x) - 1, 1), yy.sum(1) / max(len(y) - 1, 1)
        value = float(2 * xy.mean() - within_x.mean() - within_y.mean())
        return Discrepancy(value, 2 * (xy.mean(1) - within_x), 2 * (xy.mean(0) - within_y))
    # where one cell has all the weight there are no pairs
    within_x, within_y = xx @ a / ((1 - a @ a) or 1.0), yy @ b / ((1 - b @ b) or 1.0)
    from_x, from_y = xy @ b - within_x, a @ xy - within_y
    value = float(a @ from_x + b @ from_y)
    return Discrepancy(value, 2 * len(a) * a * (from_x - a @ from_x), 2 * len(b) * b * (from_y - b @ from_y))


def standard_error(a: Discrepancy, b: Discrepancy) -> float:
    """Return the standard error of the difference of two scores of the same cells, transported by two maps."""
    return float(np.sqrt((a.from_x - b.from_x).var() / len(a.from_x) + (a.from_y - b.from_y).var() / len(a.from_y)))

"""What validation cells say of a map: how far transported cells are from observed ones."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

PAPER_GAMMAS = (2.0, 1.0, 0.5, 0.1, 0.01, 0.005)
"""Kernel widths whose mean the CellOT publication selects its checkpoint by."""


def _squared_distances(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.maximum((x * x).sum(1)[:, None] + (y * y).sum(1)[None] - 2 * x @ y.T, 0.0)


def _distances(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.sqrt(_squared_distances(x, y))


def energy(x: jax.Array, y: jax.Array, x_mask: jax.Array, y_mask: jax.Array) -> jax.Array:
    """Return the unbiased energy distance between two padded clouds (Szekely and Rizzo 2013), cheap enough for every check.

    Parameters
    ----------
    x, y
        Cells, shapes ``(n, n_dims)`` and ``(m, n_dims)``.
    x_mask, y_mask
        1 for a cell, 0 for padding.
    """
    center = (y * y_mask[:, None]).sum(0) / jnp.maximum(y_mask.sum(), 1)
    x, y = x - center, y - center

    def mean_within(z: jax.Array, mask: jax.Array) -> jax.Array:
        pairs = mask[:, None] * mask[None] * (1 - jnp.eye(len(z)))
        return (_distances(z, z) * pairs).sum() / jnp.maximum(pairs.sum(), 1)

    pairs = x_mask[:, None] * y_mask[None]
    between = (_distances(x, y) * pairs).sum() / jnp.maximum(pairs.sum(), 1)
    return 2 * between - mean_within(x, x_mask) - mean_within(y, y_mask)


def paper_mmd(x: jax.Array, y: jax.Array, x_mask: jax.Array, y_mask: jax.Array) -> jax.Array:
    """Return the biased squared MMD averaged over :data:`PAPER_GAMMAS`, as the CellOT publication selects by."""

    def mean_kernel(a: jax.Array, b: jax.Array, pairs: jax.Array) -> jax.Array:
        squared = _squared_distances(a, b)
        kernel = sum(jnp.exp(-gamma * squared) for gamma in PAPER_GAMMAS) / len(PAPER_GAMMAS)
        return (kernel * pairs).sum() / jnp.maximum(pairs.sum(), 1)

    xx, yy, xy = x_mask[:, None] * x_mask, y_mask[:, None] * y_mask, x_mask[:, None] * y_mask
    return mean_kernel(x, x, xx) + mean_kernel(y, y, yy) - 2 * mean_kernel(x, y, xy)


def energy_and_influence(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the unbiased energy distance, and how much each cell of either cloud contributes to it.

    The contributions are the projections of the U-statistic on single cells (Hoeffding 1948): the standard error of the
    difference between two maps scored on the same cells is the root of the variances of the differences of their
    contributions, each over its number of cells.
    """
    n, m = len(x), len(y)
    center = y.mean(0)
    xy, xx, yy = (np.asarray(_distances(a - center, b - center), dtype=np.float64) for a, b in ((x, y), (x, x), (y, y)))
    np.fill_diagonal(xx, 0)
    np.fill_diagonal(yy, 0)
    to_y, to_x = xy.mean(1), xy.mean(0)
    within_x, within_y = xx.sum(1) / max(n - 1, 1), yy.sum(1) / max(m - 1, 1)
    energy = 2 * xy.mean() - within_x.mean() - within_y.mean()
    return float(energy), 2 * (to_y - within_x), 2 * (to_x - within_y)


def standard_error(a: tuple[float, np.ndarray, np.ndarray], b: tuple[float, np.ndarray, np.ndarray]) -> float:
    """Return the standard error of the difference of two results of :func:`energy_and_influence` on the same cells."""
    return float(np.sqrt(sum((u - v).var() / len(u) for u, v in zip(a[1:], b[1:], strict=True))))


"""Sums over all pairs of cells, exact and block by block, so that no matrix of all pairs is ever held.

Squared distances are formed in float64 from centred coordinates (their differences decide, not their size) and kept in
float32 for the kernels; sums are carried in float64. Blocks have a few fixed shapes, padded and masked, so that the
compiled steps serve clouds of any size. Memory is O(block^2 + n_cells x n_features).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._compiled import keeps
from ._stats import middle

LARGEST_BLOCK = 1024
"""Cells along each side of a block: one float32 block is 4 MiB."""
SMALLEST_BLOCK = 128

type Gammas = np.ndarray | None
"""Parameters of the Gaussian kernels exp(-gamma d^2), shape ``(n_gammas,)``, or ``None`` for the distance d itself."""


@keeps
def pair_sums(x: np.ndarray, y: np.ndarray | None = None, *, gammas: Gammas) -> np.ndarray:
    """Sum a kernel over all pairs, for every gamma in one pass over the distances.

    Parameters
    ----------
    x
        Cells, float64, shape ``(n_x, n_features)``.
    y
        Other cells, shape ``(n_y, n_features)``. With ``None``, the pairs are those of ``x`` with each other, in both
        orders, without each cell's pair with itself.
    gammas
        Which kernels.

    Returns
    -------
    One sum per gamma, or the one sum of distances: float64, shape ``(n_gammas,)`` or ``(1,)``.
    """
    with jax.enable_x64(True):
        parameters = None if gammas is None else np.asarray(gammas, np.float32)
        total: Any = np.zeros(1 if gammas is None else len(gammas))
        for i, j, twice, xi, yj in _blocks(x, y):
            total = _add_sums(total, *i, *j, xi, yj, twice, np.bool_(y is None), parameters)
        return np.asarray(total)


@keeps
def pair_forms(
    x: np.ndarray,
    x_weights: np.ndarray,
    y: np.ndarray | None = None,
    y_weights: np.ndarray | None = None,
    *,
    gammas: Gammas,
) -> np.ndarray:
    """Sum a kernel over all pairs, each weighted by the weights of its two cells, for many weightings at once.

    Parameters
    ----------
    x
        Cells, float64, shape ``(n_x, n_features)``.
    x_weights
        Weights, shape ``(n_x, n_weightings)``.
    y
        Other cells. With ``None``, the pairs within ``x`` as in :func:`pair_sums`.
    y_weights
        Weights of ``y``, shape ``(n_y, n_weightings)``.
    gammas
        Kernels, whose mean is taken; ``None`` for the distance.

    Returns
    -------
    One sum per weighting, float64, shape ``(n_weightings,)``.
    """
    with jax.enable_x64(True):
        parameters = None if gammas is None else np.asarray(gammas, np.float32)
        size = _block_size(len(x), len(x if y is None else y))
        wx = _padded(x_weights, size)
        wy = wx if y is None or y_weights is None else _padded(y_weights, size)
        total: Any = np.zeros(x_weights.shape[1])
        for i, j, twice, xi, yj in _blocks(x, y):
            total = _add_forms(
                total, *i, *j, xi, yj, wx[i[0] // size], wy[j[0] // size], twice, np.bool_(y is None), parameters
            )
        return np.asarray(total)


def _block_size(*n_cells: int) -> int:
    wanted = 1 << (max(n_cells) - 1).bit_length()
    return min(max(wanted, SMALLEST_BLOCK), LARGEST_BLOCK)


def _padded(rows: np.ndarray, size: int) -> list[jax.Array]:
    blocks = []
    for start in range(0, len(rows), size):
        block = np.zeros((size, rows.shape[1]))
        block[: len(rows) - start] = rows[start : start + size]
        blocks.append(jnp.asarray(block))
    return blocks


def _blocks(
    x: np.ndarray, y: np.ndarray | None
) -> Iterator[tuple[tuple[int, int], tuple[int, int], bool, jax.Array, jax.Array]]:
    """Yield (first row, number of rows) of both sides, whether the block stands for its mirror image too, and both."""
    center = middle(x, x if y is None else y)
    size = _block_size(len(x), len(x if y is None else y))
    xs = _padded(x - center, size)
    ys = xs if y is None else _padded(y - center, size)
    n_y = len(x if y is None else y)
    for i, xi in enumerate(xs):
        for j in range(i if y is None else 0, len(ys)):
            yield (i * size, len(x)), (j * size, n_y), y is None and j > i, xi, ys[j]


def _distances(
    i: int, n_x: int, j: int, n_y: int, x: jax.Array, y: jax.Array, within: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return squared distances of one block in float32, and which of them count."""
    d2 = (x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * x @ y.T
    rows, columns = i + jnp.arange(len(x)), j + jnp.arange(len(y))
    counts = (rows < n_x)[:, None] & (columns < n_y)[None]
    counts &= ~within | (rows[:, None] != columns[None])
    return jnp.maximum(d2, 0).astype(jnp.float32), counts


@functools.partial(jax.jit, donate_argnames="total")
def _add_sums(
    total: jax.Array,
    i: int,
    n_x: int,
    j: int,
    n_y: int,
    x: jax.Array,
    y: jax.Array,
    twice: bool,
    within: jax.Array,
    gammas: jax.Array | None,
) -> jax.Array:
    d2, counts = _distances(i, n_x, j, n_y, x, y, within)
    if gammas is None:
        columns = jnp.where(counts, jnp.sqrt(d2), 0).sum(0)[None]
    else:
        # a pair that does not count is infinitely far apart: its kernel is zero
        d2 = jnp.where(counts, d2, jnp.inf)
        columns = jax.lax.map(lambda gamma: jnp.exp(-gamma * d2).sum(0), gammas)
    return total + jnp.where(twice, 2, 1) * columns.astype(jnp.float64).sum(1)


@functools.partial(jax.jit, donate_argnames="total")
def _add_forms(
    total: jax.Array,
    i: int,
    n_x: int,
    j: int,
    n_y: int,
    x: jax.Array,
    y: jax.Array,
    wx: jax.Array,
    wy: jax.Array,
    twice: bool,
    within: jax.Array,
    gammas: jax.Array | None,
) -> jax.Array:
    d2, counts = _distances(i, n_x, j, n_y, x, y, within)
    if gammas is None:
        kernel = jnp.sqrt(d2)
    else:
        kernel = jax.lax.fori_loop(0, len(gammas), lambda g, k: k + jnp.exp(-gammas[g] * d2), jnp.zeros_like(d2)) / len(
            gammas
        )
    kernel = jnp.where(counts, kernel, 0).astype(jnp.float64)
    return total + jnp.where(twice, 2, 1) * ((kernel @ wy) * wx).sum(0)

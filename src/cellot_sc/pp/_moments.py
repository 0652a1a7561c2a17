"""Moments of cells that are read in chunks, and the principal components that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import linalg

from cellot_sc import _arrays
from cellot_sc._chunks import chunks

OVERSAMPLED = 10
"""Directions that are iterated to beside those that are wanted."""
TOLERANCE = 1e-5
"""Angle by which directions that are iterated to may be off, about."""
CLOSE = 1e-3
"""Of variances that differ by less than this share, it is no matter which is which."""
NONE = 1e-7
"""A variance that is a smaller share of the largest is none."""
MAX_PASSES = 40
"""Times that the cells are read, at most."""


class GeneMoments(NamedTuple):
    """Moments of cells, float64 in the units of the genes."""

    n_cells: int
    mean: np.ndarray
    """Shape ``(n_genes,)``."""
    variances: np.ndarray
    """Shape ``(n_genes,)``."""
    covariance: np.ndarray | None
    """Shape ``(n_genes, n_genes)``, if it was asked for."""
    low: np.ndarray
    """The least value of every gene."""
    high: np.ndarray
    """The highest."""


class Principal(NamedTuple):
    """Directions of most variance."""

    components: np.ndarray
    """Shape ``(n_components, n_genes)``, of length 1; their largest coordinates are positive."""
    variances: np.ndarray
    """Variances along them, decreasing."""


def gene_moments(x: Any, *, covariance: bool) -> GeneMoments:
    """Return the moments of cells, shape ``(n_cells, n_genes)``, which are read once.

    Sums are taken of differences to the mean of the first cells, so that nothing cancels.
    """
    n_cells, n_genes = x.shape
    shift, low, high = np.zeros(n_genes), np.full(n_genes, np.inf), np.full(n_genes, -np.inf)
    sums, squares = np.zeros(n_genes), np.zeros(n_genes)
    products = np.zeros((n_genes, n_genes) if covariance else (0, 0))
    for at, few in chunks(x):
        # of the genes that are compared at all, most cells have some: a product of dense numbers is the faster one
        cells = _arrays.dense(few.astype(np.float64))
        low, high = np.minimum(low, cells.min(axis=0)), np.maximum(high, cells.max(axis=0))
        if at.start == 0:
            shift = cells.mean(axis=0)
        cells -= shift
        sums += cells.sum(axis=0)
        if covariance:
            products += cells.T @ cells
        else:
            squares += np.einsum("ij,ij->j", cells, cells)
    mean = sums / n_cells
    if covariance:
        products -= np.outer(n_cells * mean, mean)
        products /= n_cells - 1
    variances = products.diagonal() if covariance else (squares - n_cells * mean**2) / (n_cells - 1)
    return GeneMoments(n_cells, shift + mean, variances, products if covariance else None, low, high)


def principal(x: Any, given: GeneMoments, n_components: int) -> Principal:
    """Return principal components from the covariance, or without one by reading the cells some times more."""
    if given.covariance is not None:
        n_genes = len(given.mean)
        values, vectors = linalg.eigh(given.covariance, subset_by_index=(n_genes - n_components, n_genes - 1))
    else:
        values, vectors = lanczos(lambda block: _moved(x, given, block), len(given.mean), n_components)
    values, vectors = values[::-1], vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    components = (vectors * np.sign(vectors[largest, range(n_components)])).T
    return Principal(components, np.maximum(values, 0))


def lanczos(moved: Callable[[np.ndarray], np.ndarray], n_dims: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``k`` largest eigenvalues, increasing, and their vectors, shape ``(n_dims, k)``.

    Parameters
    ----------
    moved
        Returns the product of the matrix, symmetric, with a block of shape ``(n_dims, n_columns)``.
    n_dims
        Rows of the matrix.
    k
        How many are wanted.

    References
    ----------
    Block Lanczos with full orthogonalisation: Golub and Van Loan, Matrix Computations, 4th edition, 10.3.6.
    """
    width = min(n_dims, k + OVERSAMPLED)
    block = np.linalg.qr(np.random.default_rng(0).standard_normal((n_dims, width)))[0]
    basis, within = np.zeros((n_dims, 0)), np.zeros((0, 0))
    for _ in range(MAX_PASSES):
        image = moved(block)
        basis = np.hstack([basis, block])
        along = basis.T @ image
        within = np.block([[within, along[:-width]], [along[:-width].T, along[-width:]]])
        # twice, as what is left may be noise
        block, beyond = np.linalg.qr(image - basis @ along)
        block, again = np.linalg.qr(block - basis @ (basis.T @ block))
        values, vectors = linalg.eigh(within)
        off = np.linalg.norm(again @ beyond @ vectors[-width:, -k:], axis=0)
        least = np.maximum(values[-k:], NONE * values[-1])
        apart = np.diff(values, prepend=-np.inf, append=np.inf)
        apart = np.maximum(np.minimum(apart[:-1], apart[1:])[-k:], CLOSE * least)
        # what they miss turns them out of the space at once, and within it, among themselves, twice
        if (np.maximum(off, off**2 / apart) <= TOLERANCE * least).all() or basis.shape[1] == n_dims:
            break
        block = block[:, : n_dims - basis.shape[1]]
        width = block.shape[1]
    return values[-k:], basis @ vectors[:, -k:]


def _moved(x: Any, given: GeneMoments, block: np.ndarray) -> np.ndarray:
    """Return the product of the covariance with some columns, which takes one reading of the cells."""
    image, offset = np.zeros_like(block), given.mean @ block
    for _, cells in chunks(x):
        # sparse cells stay so: these columns sum to zero, so that the mean of the other factor is no matter
        image += cells.T @ (cells @ block - offset)
    return image / (given.n_cells - 1)

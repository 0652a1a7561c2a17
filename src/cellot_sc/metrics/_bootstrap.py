"""How much a metric would vary if other cells had been drawn from the same populations: draws, pairs, intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from . import _check


def resample_counts(n_cells: int, n_boot: int, *, seed: int | np.random.Generator = 0) -> np.ndarray:
    """Draw how often every cell occurs in each of many samples with replacement.

    Parameters
    ----------
    n_cells
        Number of cells, and of draws per sample.
    n_boot
        Number of samples.
    seed
        Seed or generator.

    Returns
    -------
    Counts, int64, shape ``(n_cells, n_boot)``; every column sums to ``n_cells``.

    Examples
    --------
    >>> from cellot_sc.metrics._bootstrap import resample_counts
    >>> resample_counts(5, 3).sum(axis=0)
    array([5, 5, 5])
    """
    return np.random.default_rng(seed).multinomial(n_cells, np.full(n_cells, 1 / n_cells), size=n_boot).T


def unit_draws(units: np.ndarray, n_boot: int, *, seed: int | np.random.Generator = 0) -> np.ndarray:
    """Draw how often every cell occurs in each of many samples of whole units, such as patients, with replacement.

    Parameters
    ----------
    units
        Unit of every cell, shape ``(n_cells,)``.
    n_boot
        Number of samples, each of as many units as there are.
    seed
        Seed or generator.

    Returns
    -------
    Counts, int64, shape ``(n_cells, n_boot)``: the same for all cells of a unit.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics._bootstrap import unit_draws
    >>> counts = unit_draws(np.array(["p1", "p1", "p2"]), 4)
    >>> bool((counts[1:].sum(axis=0) == 2).all())
    True
    """
    names, codes = np.unique(units, return_inverse=True)
    return resample_counts(len(names), n_boot, seed=seed)[codes]


class PairBootstrap:
    """A metric made of pairwise means, 2 B - W_x - W_y with B between and W within clouds, and its resamples.

    Covers the energy distance and, with the opposite sign, the MMD. In a resample, copies of one cell are not paired
    with each other: such pairs lie at distance zero, do not occur between different cells, and would bias every
    resample. The parts that only depend on ``y`` are computed once and serve many ``x``.

    Parameters
    ----------
    y
        Observed cells, shape ``(n, n_features)``.
    y_counts
        Counts of :func:`resample_counts` for them, shape ``(n, n_boot)``.
    gammas
        Kernels, whose values are averaged, or ``None`` for the distance itself.
    unbiased
        Whether a cell's pair with itself is left out. If not, it counts once per cell, as in a sample without copies.
    """

    def __init__(self, y: ArrayLike, y_counts: np.ndarray, *, gammas: np.ndarray | None, unbiased: bool = True) -> None:
        (self.y,) = _check.clouds(y=y)
        self.y_counts = y_counts
        self.gammas = gammas
        self.unbiased = unbiased
        self.within_y = self._within(self.y, y_counts)

    def __call__(self, x: ArrayLike, x_counts: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the metric between ``x`` and ``y``, and its value in every resample, shape ``(n_boot,)``."""
        from ._pairwise import pair_forms

        x, y = _check.clouds(x=x, y=self.y)
        wx, wy = _with_ones(x_counts), _with_ones(self.y_counts)
        between = _ratio(pair_forms(x, wx, y, wy, gammas=self.gammas), wx.sum(axis=0) * wy.sum(axis=0))
        values = 2 * between - self._within(x, x_counts) - self.within_y
        if self.gammas is not None:
            values = -values
        return float(values[0]), values[1:]

    def _within(self, cloud: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return the mean over the pairs within a cloud, and within each resample of it."""
        from ._pairwise import pair_forms

        weights = _with_ones(counts)
        n = weights.sum(axis=0)
        # a resample of one cell only has no pairs: possible, though rare, among very few cells
        values = _ratio(pair_forms(cloud, weights, gammas=self.gammas), n**2 - (weights**2).sum(axis=0))
        if self.unbiased:
            return values
        with_itself = 0 if self.gammas is None else 1
        return _ratio(values * (n - 1) + with_itself, n)


def _ratio(total: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Return a mean from its sum, NaN where it runs over nothing."""
    return np.divide(total, number, out=np.full(len(total), np.nan), where=number > 0)


def _with_ones(counts: np.ndarray) -> np.ndarray:
    """Put the cells themselves, each once, before their resamples."""
    return np.column_stack([np.ones(len(counts), counts.dtype), counts])


def interval(resamples: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """Return the central interval of the resamples that are not NaN; NaN if there are none."""
    known = resamples[~np.isnan(resamples)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

"""Means and covariances of clouds of cells, which may differ in weight."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self
from weakref import WeakKeyDictionary

import numpy as np

from .._arrays import dense
from .._chunks import Stored, chunks, taken

type CellCloud = np.ndarray | Stored
"""A cloud of cells, shape ``(n_cells, n_dims)``, in memory or not."""

CHUNK = 65_536
"""Cells that are held in double precision at once."""
_KEPT: WeakKeyDictionary[Stored, tuple[np.ndarray | None, Moments]] = WeakKeyDictionary()
"""What was last found of cells that take a while to read, and their weights then: many problems share control cells."""


class Moments(NamedTuple):
    """Mean, shrunk covariance, and the expected squared error of the covariance before it was shrunk."""

    mean: np.ndarray
    covariance: np.ndarray
    noise: float


def moments(x: CellCloud, weights: np.ndarray | None = None) -> Moments:
    """Return the mean and the shrunk covariance of a cloud, in float64.

    The covariance is shrunk towards a multiple of the identity by the closed form of Ledoit and Wolf (2004,
    doi 10.1016/S0047-259X(03)00096-4), so that it is well conditioned with fewer cells than dimensions.

    Parameters
    ----------
    x
        Cells, shape ``(n_cells, n_dims)``. Those that are not in memory are read once.
    weights
        How much each counts, shape ``(n_cells,)``, or ``None`` if they count alike.

    Returns
    -------
    Mean of shape ``(n_dims,)``, covariance of shape ``(n_dims, n_dims)`` and its noise.
    """
    n_cells, n_dims = x.shape
    if isinstance(x, Stored):
        if x not in _KEPT or _KEPT[x][0] is not weights:
            _KEPT[x] = weights, GroupMoments.of_stored(x, weights).moments(np.ones(1))
        return _KEPT[x][1]
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
    return _regularised(mean, empirical, fourth, effective_size(n_cells, weights))


def _regularised(mean: np.ndarray, empirical: np.ndarray, fourth: float, size: float) -> Moments:
    """Return moments of so many cells, given their covariance and the mean of the fourth powers of their lengths."""
    n_dims = len(mean)
    scale = np.trace(empirical) / n_dims
    spread = (empirical**2).sum() - n_dims * scale**2
    noise = (fourth - (empirical**2).sum()) / size
    shrinkage = 1.0 if spread <= 0 else min(max(noise / spread, 0.0), 1.0)
    # a hundred-thousandth of the mean variance keeps constant features from making the map singular
    ridge = 1e-5 * scale if scale > 0 else 1.0
    covariance = (1 - shrinkage) * empirical + (shrinkage * scale + ridge) * np.eye(n_dims)
    return Moments(mean, covariance, max(noise, 0.0))


class GroupMoments(NamedTuple):
    """Moments of the cells of each of several groups around their own mean: those of mixtures of groups follow exactly.

    Parameters
    ----------
    masses, squares
        Sums of the weights of the cells, and of their squares, shape ``(k,)``.
    means, covariances
        Shapes ``(k, d)`` and ``(k, d, d)``, biased; 0 where there are no cells.
    thirds, fourths
        Means of ``|z|^2 z`` and of ``|z|^4``, shapes ``(k, d)`` and ``(k,)``.
    """

    masses: np.ndarray
    squares: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    thirds: np.ndarray
    fourths: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, groups: np.ndarray, k: int, weights: np.ndarray | None = None) -> Self:
        """Return the moments of groups in one pass over their cells, given the number of that of each cell."""
        order = np.argsort(groups.astype(np.min_scalar_type(k)), kind="stable")
        ends = np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=k))])
        d = x.shape[1]
        found = cls(*(np.zeros(shape) for shape in ((k,), (k,), (k, d), (k, d, d), (k, d), (k,))))
        for i in np.flatnonzero(np.diff(ends)):
            rows = order[ends[i] : ends[i + 1]]
            parts = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
            one = cls.stacked(cls._of_one(x[part], None if weights is None else weights[part]) for part in parts)
            for field, value in zip(found, one.mixed(), strict=True):
                field[i] = value[0]
        return found

    @classmethod
    def of_stored(cls, x: Stored, weights: np.ndarray | None = None) -> Self:
        """Return the moments of all cells of a cloud that is not in memory as one group, in one reading."""
        found: Self | None = None
        for at, few in chunks(x):
            one = cls._of_one(dense(few), None if weights is None else weights[at])
            found = one if found is None else cls.stacked([found, one]).mixed()
        assert found is not None
        return found

    @classmethod
    def _of_one(cls, cells: np.ndarray, weights: np.ndarray | None) -> Self:
        z = cells.astype(np.float64)
        masses = np.ones(len(z)) if weights is None else weights.astype(np.float64)
        mass = masses.sum() or 1.0
        mean = masses @ z / mass
        z -= mean
        lengths = np.einsum("nd,nd->n", z, z)
        weighed = masses * lengths / mass
        third, fourth = weighed @ z, weighed @ lengths
        # the product of a matrix with itself takes half the time of one of two
        if weights is not None:
            z *= np.sqrt(masses)[:, None]
        return cls(
            *(np.asarray(of)[None] for of in (masses.sum(), masses @ masses, mean, z.T @ z / mass, third, fourth))
        )

    @classmethod
    def stacked(cls, parts: Iterable[Self]) -> Self:
        """Return the groups of several together."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def mixed(self, factors: np.ndarray | None = None) -> Self:
        """Return all groups as one, given how many times more the cells of each count than their weights say."""
        if len(self.masses) == 1 and factors is None:
            return self
        factors = np.ones(len(self.masses)) if factors is None else factors
        masses = factors * self.masses
        share = masses / (masses.sum() or 1.0)
        mean = share @ self.means
        apart = self.means - mean
        squares, traces = (apart**2).sum(axis=1), np.trace(self.covariances, axis1=1, axis2=2)
        tilted = np.einsum("kij,kj->ki", self.covariances, apart)
        along = 4 * np.einsum("ki,ki->k", tilted + self.thirds, apart)
        mixture = (
            masses.sum(),
            factors**2 @ self.squares,
            mean,
            np.einsum("k,kij->ij", share, self.covariances) + (apart.T * share) @ apart,
            share @ (self.thirds + 2 * tilted + (traces + squares)[:, None] * apart),
            share @ (self.fourths + along + squares**2 + 2 * squares * traces),
        )
        return type(self)(*(np.asarray(of)[None] for of in mixture))

    def at(self, rows: np.ndarray | list[int]) -> Self:
        """Return some of the groups."""
        return type(self)(*(of[rows] for of in self))

    @property
    def sizes(self) -> np.ndarray:
        """How many cells of equal weight would make means as certain, shape ``(k,)``."""
        return self.masses**2 / np.where(self.squares > 0, self.squares, 1)

    def moments(self, factors: np.ndarray) -> Moments:
        """Return the moments of all cells, see :func:`moments`, given how many times more those of each group count."""
        [size], [one] = (of := self.mixed(factors)).sizes, zip(*of, strict=True)
        return _regularised(one[2], one[3], one[5], size)


def rows_of(x: CellCloud, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Return some cells of a cloud, or all, in memory: a mask, a slice or positions in any order."""
    return dense(taken(x, rows)) if isinstance(x, Stored) else x[rows]


def mean_of(x: CellCloud, weights: np.ndarray | None) -> np.ndarray:
    """Return the mean of a cloud, in float64."""
    if isinstance(x, Stored):
        shares = np.full(len(x), 1 / len(x)) if weights is None else shares_of(weights)
        return np.sum([shares[at] @ dense(few).astype(np.float64) for at, few in chunks(x)], axis=0)
    return x.mean(axis=0, dtype=np.float64) if weights is None else shares_of(weights) @ x


def shares_of(weights: np.ndarray) -> np.ndarray:
    """Return weights as shares of their sum, in float64."""
    weights = weights.astype(np.float64)
    return weights / weights.sum()


def effective_size(n_cells: int, weights: np.ndarray | None) -> float:
    """Return how many cells of equal weight would make means as certain (Kish 1965)."""
    return n_cells if weights is None else 1 / float((shares_of(weights) ** 2).sum())

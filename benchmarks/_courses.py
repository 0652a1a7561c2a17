"""How far cells that were moved to a time are from those taken at it, and ways to move them without a map."""

from __future__ import annotations

import numpy as np
from jax.nn import softmax
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from cellot_sc.metrics._bootstrap import PairBootstrap, resample_counts
from cellot_sc.ot import EntropicMap

from ._quality import Quality

N_CELLS = 1000
"""Cells of either cloud that are assigned to each other for a Wasserstein distance."""
METRICS = ("W1", "E")


def wasserstein1(x: np.ndarray, y: np.ndarray, n: int, rng: np.random.Generator) -> float:
    """Return the exact Wasserstein-1 distance between random samples of so many cells of both clouds.

    Distances of cells are Euclidean. Clouds of one size, whose cells weigh alike, have an optimal plan that is an
    assignment of cells.
    """
    x, y = (cloud[rng.choice(len(cloud), min(n, len(x), len(y)), replace=False)] for cloud in (x, y))
    cost = cdist(x, y)
    return float(cost[linear_sum_assignment(cost)].mean())


class Judge:
    """Scores cells that were moved to a time by those taken at it.

    Parameters
    ----------
    observed
        Cells taken at that time, shape ``(n_cells, n_dims)``.
    n_boot
        Number of resamples.
    seed
        Seed of all that is random.
    """

    def __init__(self, observed: np.ndarray, *, n_boot: int, seed: int) -> None:
        self.observed, self._n_boot, self._seed = observed, n_boot, seed
        counts = resample_counts(len(observed), n_boot, seed=seed)
        self._energy = PairBootstrap(observed, counts, gammas=None)

    def __call__(self, moved: np.ndarray) -> dict[str, Quality]:
        """Return both distances, each with resamples of the cells."""
        counts = resample_counts(len(moved), self._n_boot, seed=self._seed + 1)
        return {"W1": self._wasserstein(moved, self.observed), "E": Quality(*self._energy(moved, counts))}

    def halves(self) -> dict[str, Quality]:
        """Return the distances between two halves of the cells: as good as it gets, with half as many cells."""
        order = np.random.default_rng(self._seed).permutation(len(self.observed))
        a, b = (self.observed[np.sort(half)] for half in np.array_split(order, 2))
        counts = [resample_counts(len(half), self._n_boot, seed=self._seed + i) for i, half in enumerate((a, b))]
        energy = PairBootstrap(b, counts[1], gammas=None)(a, counts[0])
        return {"W1": self._wasserstein(a, b), "E": Quality(*energy)}

    def _wasserstein(self, x: np.ndarray, y: np.ndarray) -> Quality:
        rng = np.random.default_rng(self._seed)
        estimate = wasserstein1(x, y, N_CELLS, rng)
        # a cell that is drawn twice would be matched twice: samples are smaller instead, and have as much more variance
        samples = np.array([wasserstein1(x, y, N_CELLS // 2, rng) for _ in range(self._n_boot)])
        return Quality(estimate, estimate + (samples - samples.mean()) / np.sqrt(2))


def partners(x: np.ndarray, fitted: EntropicMap, rng: np.random.Generator) -> np.ndarray:
    """Return for every cell one of the target's, drawn in proportion to the mass that the entropic plan sends there."""
    drawn = []
    for rows in np.array_split(x.astype(np.float64), max(1, len(x) // 1000)):
        height = (fitted.target_potential - 0.5 * cdist(rows, fitted.target, "sqeuclidean")) / fitted.epsilon
        drawn.append(_draw(np.asarray(softmax(height, axis=1)), rng))
    return fitted.target[np.concatenate(drawn)]


def _draw(shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a column for every row, each in proportion to its share."""
    sums = shares.cumsum(axis=1, dtype=np.float64)
    return (sums < rng.random((len(sums), 1)) * sums[:, -1:]).sum(axis=1)


def coupled(plan: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return for every row of a plan one of the cells ``y``, in proportion to the mass sent there."""
    return y[_draw(plan, rng)]


def mixture(before: np.ndarray, after: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return cells of two times as they are, such a share of those of the later one, as many as there can be."""
    n_cells = min(len(before) / (1 - share), len(after) / share)
    parts = (before, n_cells * (1 - share)), (after, n_cells * share)
    return np.concatenate([cloud[rng.permutation(len(cloud))[: round(size)]] for cloud, size in parts])

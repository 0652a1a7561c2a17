"""How well predicted fates agree with clonal ones, and how much that would vary with other clones."""

from __future__ import annotations

import numpy as np

from ...metrics._bootstrap import interval, resample_counts

MIN_CELLS = 5
"""A fate is judged on its own where at least this many cells have it and this many do not."""

type Estimate = tuple[float, float, float]
"""A value and the ends of its interval."""


class Agreement:
    """Compares predicted with observed fates of the same cells, resampling whole clones.

    Cells of a clone share what there is to learn of them: they are drawn together or not at all.

    Parameters
    ----------
    observed
        Share of every fate among the late cells of each cell's clone, shape ``(n_cells, n_fates)``.
    clones
        Clone of every cell, as integers, shape ``(n_cells,)``.
    n_boot
        Number of resamples.
    seed
        Seed of the resamples.
    """

    def __init__(self, observed: np.ndarray, clones: np.ndarray, *, n_boot: int, seed: int) -> None:
        self.observed = observed
        names, codes = np.unique(clones, return_inverse=True)
        self.n_clones = len(names)
        counts = resample_counts(len(names), n_boot, seed=seed)
        # the first row is the cells as they are
        self._weights = np.vstack([np.ones(len(observed)), counts.T[:, codes]]).astype(np.float64)
        self.modal = observed == observed.max(axis=1, keepdims=True)

    def accuracy(self, predicted: np.ndarray) -> Estimate:
        """Return the share of cells whose likeliest fate is the one, or one of those, that their clone has most of."""
        right = self.modal[np.arange(len(predicted)), predicted.argmax(axis=1)]
        return estimate(self._weights @ right / np.maximum(self._weights.sum(axis=1), 1))

    def auroc(self, predicted: np.ndarray) -> dict[int, np.ndarray]:
        """Return, by fate, how often a cell whose clone has it most gets more of it than one whose clone has not.

        With its resamples, shape ``(1 + n_boot,)``, for the fates that can be judged.
        """
        by_fate = {}
        for k in self.judged:
            has = self.modal[:, k]
            order = np.sign(predicted[has, k][:, None] - predicted[~has, k])
            with_fate, without = self._weights[:, has], self._weights[:, ~has]
            pairs = with_fate.sum(axis=1) * without.sum(axis=1)
            wins = ((with_fate @ order) * without).sum(axis=1)
            by_fate[k] = 0.5 + 0.5 * np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
        return by_fate

    def correlation(self, predicted: np.ndarray) -> dict[int, np.ndarray]:
        """Return, by fate, Pearson's correlation of predicted and observed shares, with its resamples."""
        total = np.maximum(self._weights.sum(axis=1), 1)

        def mean(values: np.ndarray) -> np.ndarray:
            return self._weights @ values / total

        by_fate = {}
        for k in self.judged:
            x, y = predicted[:, k] - predicted[:, k].mean(), self.observed[:, k] - self.observed[:, k].mean()
            covariance = mean(x * y) - mean(x) * mean(y)
            spread = np.sqrt(np.maximum((mean(x * x) - mean(x) ** 2) * (mean(y * y) - mean(y) ** 2), 0))
            by_fate[k] = np.divide(covariance, spread, out=np.full(len(total), np.nan), where=spread > 1e-12)
        return by_fate

    @property
    def judged(self) -> list[int]:
        """The fates that enough cells have, and enough do not."""
        with_fate = self.modal.sum(axis=0)
        return np.flatnonzero(np.minimum(with_fate, len(self.modal) - with_fate) >= MIN_CELLS).tolist()


def averaged(by_fate: dict[int, np.ndarray]) -> Estimate:
    """Return the mean over fates, each counting alike; NaN if there are none."""
    return estimate(np.mean(list(by_fate.values()), axis=0)) if by_fate else (float("nan"),) * 3


def estimate(values: np.ndarray) -> Estimate:
    """Return a value and its interval, given the value and its resamples."""
    return float(values[0]), *interval(values[1:])

"""How far transported test cells are from observed ones, with resamples of the cells that are the same for all maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellot_sc.metrics import median_gammas
from cellot_sc.metrics._bootstrap import PairBootstrap, resample_counts

from ._problems import Task

MIN_TYPE_CELLS = 5
"""Test cells that a type needs in either cloud to be judged."""
METRICS = ("E", "MMD", "E/type")


@dataclass(frozen=True)
class Quality:
    """A metric's estimate, and its values in every resample, shape ``(n_boot,)``."""

    estimate: float
    resamples: np.ndarray


class Judge:
    """Scores transported test cells of one task.

    E is the energy distance and MMD the squared MMD with median-heuristic bandwidths, both without bias, over all test
    cells; E/type is the mean over cell types of the energy distance within each.
    """

    def __init__(self, task: Task, *, n_boot: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.task = task
        self._source_counts = resample_counts(len(task.source), n_boot, seed=rng)
        target_counts = resample_counts(len(task.target), n_boot, seed=rng)
        gammas = median_gammas(task.source, task.target)
        self._energy = PairBootstrap(task.target, target_counts, gammas=None)
        self._mmd = PairBootstrap(task.target, target_counts, gammas=gammas)
        self._types = []
        for kind in np.unique(task.target_types):
            x, y = task.source_types == kind, task.target_types == kind
            if min(x.sum(), y.sum()) >= MIN_TYPE_CELLS:
                x_counts, y_counts = (resample_counts(int(of.sum()), n_boot, seed=rng) for of in (x, y))
                self._types.append((kind, x, x_counts, PairBootstrap(task.target[y], y_counts, gammas=None)))

    def __call__(self, moved: np.ndarray) -> dict[str, Quality]:
        """Return every metric of transported test cells."""
        energy, energies = self._energy(moved, self._source_counts)
        mmd, mmds = self._mmd(moved, self._source_counts)
        scores = {"E": Quality(energy, energies), "MMD": Quality(mmd, mmds)}
        if len(self._types) > 1:
            scores["E/type"] = _mean([bootstrap(moved[x], counts) for _, x, counts, bootstrap in self._types])
        return scores

    def observed(self) -> dict[str, Quality]:
        """Return what the treated train cells score: as good as a map can be."""
        cells, rng = self.task.problem.target, np.random.default_rng(0)
        counts = self._source_counts
        every = resample_counts(len(cells), counts.shape[1], seed=rng)
        (energy, energies), (mmd, mmds) = self._energy(cells, every), self._mmd(cells, every)
        scores = {"E": Quality(energy, energies), "MMD": Quality(mmd, mmds)}
        if len(self._types) > 1:
            within = []
            for kind, _, _, bootstrap in self._types:
                of_kind = cells[self.task.train_types == kind]
                within.append(bootstrap(of_kind, resample_counts(len(of_kind), counts.shape[1], seed=rng)))
            scores["E/type"] = _mean(within)
        return scores


def _mean(scores: list[tuple[float, np.ndarray]]) -> Quality:
    values, resamples = zip(*scores, strict=True)
    return Quality(float(np.mean(values)), np.mean(resamples, axis=0))


def interval(of_tasks: list[list[Quality]], *, seed: int = 0) -> tuple[float, float, float]:
    """Return the mean over tasks and seeds of a metric, and its central 95 % over resampled seeds and cells.

    Parameters
    ----------
    of_tasks
        Qualities, for every task a list with one per seed.
    seed
        Seed of the resampling.
    """
    rng = np.random.default_rng(seed)
    estimates = np.array([[quality.estimate for quality in seeds] for seeds in of_tasks])
    resamples = np.array([[quality.resamples for quality in seeds] for seeds in of_tasks])
    # a resample lies further off than the estimate does, by the noise that both contain
    resamples = resamples - np.nanmean(resamples, axis=-1, keepdims=True) + estimates[..., None]
    n_tasks, n_seeds, n_boot = resamples.shape
    rows = np.arange(n_tasks)[:, None]
    means = [np.nanmean(resamples[rows, rng.integers(n_seeds, size=(n_tasks, n_seeds)), b]) for b in range(n_boot)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(np.mean(estimates)), float(low), float(high)


def less(a: Quality, b: Quality) -> Quality:
    """Return the difference of two qualities of the same cells."""
    return Quality(a.estimate - b.estimate, a.resamples - b.resamples)

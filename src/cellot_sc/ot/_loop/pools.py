"""Pools: cells that do not fit into memory, of which the loop is given others for every stretch of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..._chunks import Stored
from .._moments import rows_of
from .._problem import Problem
from .batches import Clouds, TrainCells, gather, judged, laid_out
from .config import LoopConfig
from .pool_size import pool_size


def gathered(
    problems: Sequence[Problem], means: Sequence[tuple[np.ndarray, np.ndarray]], seed: int, config: LoopConfig
) -> Clouds | Pools:
    """Return the clouds of problems, or where they are not in memory, pools of them; see :func:`.gather`."""
    if any(problem.is_stored for problem in problems):
        return Pools(problems, means, seed, config)
    return gather(problems, means, seed)


class Pools:
    """Clouds of the same shape for each stretch of steps between two looks, with some cells of those on disk.

    Which are in a pool depends on the seed, the stretch and their cloud alone. Clouds that are no larger than a pool
    are read once.

    Parameters
    ----------
    problems, means, seed
        As :func:`.gather` takes them.
    config
        How many steps there are, and when validation cells are looked at.
    """

    def __init__(
        self, problems: Sequence[Problem], means: Sequence[tuple[np.ndarray, np.ndarray]], seed: int, config: LoopConfig
    ) -> None:
        self._problems, self._seed = problems, seed
        self._n_steps, self._stretch = config.n_steps, config.check_every
        self._is_weighted = any(problem.is_weighted for problem in problems)
        self._judged = judged(problems, means, seed)
        # by identity: as problems share a cloud, so they do its pools
        self._whole: dict[int, np.ndarray] = {}
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="cellot_sc-pools")
        self._reading = 0, self._reader.submit(self._read, 0)
        self.ranges = self._laid_out(0).ranges

    def at(self, done: int) -> Clouds:
        """Return the clouds that steps are made on after so many; the next ones are read meanwhile."""
        clouds = self._laid_out(done)
        if (after := done + self._stretch) < self._n_steps:
            self._reading = after, self._reader.submit(self._read, after)
        return clouds

    def _laid_out(self, done: int) -> Clouds:
        if self._reading[0] != done:
            self._reading = done, self._reader.submit(self._read, done)
        return laid_out(self._reading[1].result(), self._judged, is_weighted=self._is_weighted)

    def _read(self, done: int) -> list[TrainCells]:
        pools: dict[tuple[int, int], tuple[np.ndarray, np.ndarray | None]] = {}

        def pool(cells: Any, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
            code = id(cells), id(weights)
            if code not in pools:
                pools[code] = self._pool(cells, weights, np.random.default_rng([self._seed, done]))
            return pools[code]

        train = []
        for problem in self._problems:
            source, source_weights = pool(problem.source, problem.source_weights)
            target, target_weights = pool(problem.target, problem.target_weights)
            train.append(TrainCells(source, target, source_weights, target_weights))
        return train

    def _pool(
        self, cells: Any, weights: np.ndarray | None, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray | None]:
        if not isinstance(cells, Stored):
            return cells, weights
        size = pool_size(cells.source.budget, cells.shape[1])
        if len(cells) <= size:
            if id(cells) not in self._whole:
                self._whole[id(cells)] = rows_of(cells)
            return self._whole[id(cells)], weights
        places, drawn = cells.source.drawn(cells.rows, size, rng)
        return drawn, None if weights is None else weights[places]

"""Which cells are in each resample: the same for all predictions."""

from __future__ import annotations

import numpy as np

from ...metrics import _bootstrap


class Resamples:
    """Which cells are in each resample: cells drawn one by one, or whole units of cells.

    Parameters
    ----------
    n_boot
        Number of resamples.
    units
        Unit of every cell in the data, or ``None`` to draw single cells.
    judged
        Mask of the cells that are judged. Units among them are drawn apart from all others, so that there are always as
        many as there are.
    rng
        Where units are drawn from.
    """

    def __init__(self, n_boot: int, units: np.ndarray | None, judged: np.ndarray, rng: np.random.Generator) -> None:
        self.n_boot, self._units = n_boot, units
        self._draws: np.ndarray | None = None
        if units is not None:
            self._draws = np.empty((len(units), n_boot), dtype=np.int64)
            among_judged = np.isin(units, units[judged])
            for part in (among_judged, ~among_judged):
                self._draws[part] = _bootstrap.unit_draws(units[part], n_boot, seed=rng) if part.any() else 0

    def counts(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return how often each of the cells at these positions occurs, shape ``(n_rows, n_boot)``."""
        if self._draws is not None:
            return self._draws[rows]
        if not len(rows):
            return np.empty((0, self.n_boot), dtype=np.int64)
        return _bootstrap.resample_counts(len(rows), self.n_boot, seed=rng)

    def counts_of(self, n_cells: int, units: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
        """Return how often other cells occur, of these units, drawn as those are; one by one if they are unknown.

        Their shape is ``(n_cells, n_boot)``.
        """
        if self._draws is None or self._units is None or units is None:
            return _bootstrap.resample_counts(n_cells, self.n_boot, seed=rng)
        known, first = np.unique(self._units, return_index=True)
        return self._draws[first[np.searchsorted(known, units)]]

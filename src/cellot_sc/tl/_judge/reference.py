"""Scores predictions against observed cells, with the same resamples for all of them."""

from __future__ import annotations

import numpy as np

from ...metrics import _bootstrap
from .scores import METRICS, Score


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
        self.n_boot = n_boot
        self._draws: np.ndarray | None = None
        if units is not None:
            self._draws = np.empty((len(units), n_boot), dtype=np.int64)
            among_judged = np.isin(units, units[judged])
            for part in (among_judged, ~among_judged):
                self._draws[part] = _bootstrap.unit_draws(units[part], n_boot, seed=rng) if part.any() else 0

    @property
    def of_units(self) -> bool:
        """Whether whole units are drawn."""
        return self._draws is not None

    def counts(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return how often each of the cells at these positions occurs, shape ``(n_rows, n_boot)``."""
        if self._draws is not None:
            return self._draws[rows]
        if not len(rows):
            return np.empty((0, self.n_boot), dtype=np.int64)
        return _bootstrap.resample_counts(len(rows), self.n_boot, seed=rng)


class Reference:
    """Observed cells, against which any number of predictions are scored.

    Parameters
    ----------
    observed
        Observed treated cells, shape ``(n_observed, n_features)``.
    control
        The control cells that predictions are made from, shape ``(n_control, n_features)``.
    gammas
        What the bandwidth ``"median"`` stands for.
    observed_counts, control_counts
        Their resamples, shapes ``(n_observed, n_boot)`` and ``(n_control, n_boot)``.
    of_units
        Whether these are resamples of whole units, which are further from anything than the cells are.
    """

    def __init__(
        self,
        observed: np.ndarray,
        control: np.ndarray,
        *,
        gammas: np.ndarray,
        observed_counts: np.ndarray,
        control_counts: np.ndarray,
        of_units: bool = False,
    ) -> None:
        self.observed = observed
        self.control = control
        self.gammas = gammas
        self.observed_counts = observed_counts
        self.control_counts = control_counts
        self.of_units = of_units
        self._pairs: dict[str, _bootstrap.PairBootstrap] = {}

    def score(self, name: str, predicted: np.ndarray, counts: np.ndarray) -> Score:
        """Score predicted cells, of which ``counts`` are the resamples, with the metric ``name``."""
        metric = METRICS[name]
        n_cells = len(self.observed)
        if metric.resampling == "pairs":
            value, resamples = self._pairwise(name)(predicted, counts)
            # pairs within a unit that was drawn twice lie closer together than other pairs
            shift = value - np.nanmean(resamples) if self.of_units and np.isfinite(resamples).any() else 0.0
            return Score(value, resamples + shift, n_cells)
        clouds: tuple[np.ndarray, ...] = (predicted, self.observed)
        all_counts: tuple[np.ndarray, ...] = (counts, self.observed_counts)
        if metric.with_control:
            clouds, all_counts = (*clouds, self.control), (*all_counts, self.control_counts)
        value = metric.function(*clouds)
        if metric.resampling == "none":
            return Score.unknown(counts.shape[1], n_cells)._replace(value=value)
        resample = _bootstrap.bootstrap_moments if metric.resampling == "moments" else _bootstrap.bootstrap
        return Score(value, metric.centred(resample(metric.function, clouds, all_counts), value), n_cells)

    def _pairwise(self, name: str) -> _bootstrap.PairBootstrap:
        metric = METRICS[name]
        if name not in self._pairs:
            gammas = self.gammas if isinstance(metric.gammas, str) else metric.gammas
            self._pairs[name] = _bootstrap.PairBootstrap(
                self.observed, self.observed_counts, gammas=gammas, unbiased=metric.unbiased
            )
        return self._pairs[name]

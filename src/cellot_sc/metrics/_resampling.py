"""The ways in which a metric's value is resampled, so that it has an interval."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ._bootstrap import PairBootstrap

if TYPE_CHECKING:
    from ._metric import Metric

type Arrays = tuple[np.ndarray, ...]
"""Several clouds of cells, or the resamples of each of them."""


@dataclass(frozen=True, eq=False)
class ObservedCells:
    """Observed cells, against which any number of predictions are scored with the same resamples.

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
    whole_units
        Whether these are resamples of whole units, which are further from anything than the cells are.
    """

    observed: np.ndarray
    control: np.ndarray
    gammas: np.ndarray = field(kw_only=True)
    observed_counts: np.ndarray = field(kw_only=True)
    control_counts: np.ndarray = field(kw_only=True)
    whole_units: bool = field(default=False, kw_only=True)
    pairs: dict[Resampling, PairBootstrap] = field(default_factory=dict, init=False, repr=False)
    """What was computed from the observed cells alone, for the next prediction."""


class Resampling(ABC):
    """A way of resampling."""

    def score(
        self, metric: Metric, cells: ObservedCells, predicted: np.ndarray, counts: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Return a metric's value, and its resamples around it.

        Parameters
        ----------
        metric
            The metric.
        cells
            What the prediction is compared with.
        predicted
            Predicted cells, shape ``(n_predicted, n_features)``.
        counts
            How often each of them is in each resample, shape ``(n_predicted, n_boot)``.

        Returns
        -------
        The value, and resamples of shape ``(n_boot,)``, NaN where a cloud is left with too few cells.
        """
        clouds: Arrays = (predicted, cells.observed)
        all_counts: Arrays = (counts, cells.observed_counts)
        if metric.with_control:
            clouds, all_counts = (*clouds, cells.control), (*all_counts, cells.control_counts)
        value = float(metric.function(*clouds))
        return value, metric.centred(self.resamples(metric.function, clouds, all_counts), value)

    @abstractmethod
    def resamples(self, function: Callable[..., Any], clouds: Arrays, counts: Arrays) -> np.ndarray:
        """Return a function's value in every resample, shape ``(n_boot,)``; NaN where a cloud has under two cells left.

        Parameters
        ----------
        function
            Takes as many clouds as are given.
        clouds
            Cells, each of shape ``(n_cells, n_features)``.
        counts
            How often each of these cells is in each resample, shapes ``(n_cells, n_boot)``.
        """


class NoResampling(Resampling):
    """No resamples, because copies of cells would bias the metric, or because it is too slow: NaN."""

    def resamples(self, function: Callable[..., Any], clouds: Arrays, counts: Arrays) -> np.ndarray:
        return np.full(counts[0].shape[1], np.nan)


class CellResampling(Resampling):
    """The metric of the cells that were drawn, some of them several times: right for any metric that copies suit."""

    def resamples(self, function: Callable[..., Any], clouds: Arrays, counts: Arrays) -> np.ndarray:
        return np.array(
            [
                function(*(np.repeat(cloud, count[:, b], axis=0) for cloud, count in zip(clouds, counts, strict=True)))
                if full
                else np.nan
                for b, full in enumerate(_full(counts))
            ]
        )


class MomentResampling(Resampling):
    """The same, fast, of a metric that depends on nothing but the features' means and standard deviations.

    Each resample is replaced by two cells with its mean and standard deviation.
    """

    def resamples(self, function: Callable[..., Any], clouds: Arrays, counts: Arrays) -> np.ndarray:
        pairs = []
        for cloud, count in zip(clouds, counts, strict=True):
            n = np.maximum(count.sum(axis=0), 2)[:, None]
            center = cloud.mean(axis=0, dtype=np.float64)
            centered = cloud - center
            mean = count.T @ centered / n
            variance = np.maximum(count.T @ centered**2 / n - mean**2, 0) * n / (n - 1)
            half = np.sqrt(variance / 2)
            pairs.append(np.stack([center + mean - half, center + mean + half], axis=1))
        return np.array(
            [function(*pair) if full else np.nan for full, *pair in zip(_full(counts), *pairs, strict=True)]
        )


class PairResampling(CellResampling):
    """Sums over pairs of cells, for a metric 2 B - W_x - W_y of the means B between and W within clouds.

    Parameters
    ----------
    gammas
        Gaussian kernels exp(-gamma d^2), whose mean is taken; ``"median"`` for those of
        :func:`cellot_sc.metrics.median_gammas`; ``None`` for the distance itself.
    unbiased
        Whether the pair of a cell with itself is left out.
    """

    def __init__(self, gammas: np.ndarray | Literal["median"] | None = None, *, unbiased: bool = True) -> None:
        self.gammas, self.unbiased = gammas, unbiased

    def score(
        self, metric: Metric, cells: ObservedCells, predicted: np.ndarray, counts: np.ndarray
    ) -> tuple[float, np.ndarray]:
        if self not in cells.pairs:
            gammas = cells.gammas if isinstance(self.gammas, str) else self.gammas
            cells.pairs[self] = PairBootstrap(
                cells.observed, cells.observed_counts, gammas=gammas, unbiased=self.unbiased
            )
        value, resamples = cells.pairs[self](predicted, counts)
        # pairs within a unit that was drawn twice lie closer together than other pairs
        shift = value - np.nanmean(resamples) if cells.whole_units and np.isfinite(resamples).any() else 0.0
        return value, resamples + shift


def _full(counts: Arrays) -> np.ndarray:
    """Return of every resample whether all of its clouds have two cells; units may leave a cloud with none."""
    return np.all([count.sum(axis=0) >= 2 for count in counts], axis=0)

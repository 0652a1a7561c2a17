"""The metrics that predictions are judged by, and what becomes of their values over groups of cells."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from ... import metrics


class Score(NamedTuple):
    """A metric's value, its resamples (shape ``(n_boot,)``, NaN without), and the number of observed cells."""

    value: float
    resamples: np.ndarray
    n_cells: int

    @classmethod
    def unknown(cls, n_boot: int, n_cells: int) -> Score:
        """Return the score of a prediction that cannot be scored."""
        return cls(math.nan, np.full(n_boot, math.nan), n_cells)


def as_it_is(value: float) -> float:
    """Badness of a distance."""
    return value


def _below_one(value: float) -> float:
    return 1 - value


def _off_half(value: float) -> float:
    return abs(value - 0.5)


def _off_one(value: float) -> float:
    return abs(math.log(value)) if value > 0 else math.inf


@dataclass(frozen=True)
class Metric:
    """A metric as :func:`cellot_sc.tl.evaluate` needs it.

    Parameters
    ----------
    function
        Takes predicted and observed cells, and control cells if ``with_control``.
    resampling
        How its resamples are had: from pairwise sums, from means and standard deviations, from the resampled cells, or
        not at all, because copies of cells would bias it or because it is too slow. ``"effects"`` is a metric across
        perturbations, which takes their predicted and observed effects in place of cells and gives a value for each.
    with_control
        Whether the function takes control cells too.
    badness
        The larger, the worse.
    gammas
        Kernels of a metric with pairwise sums: an array, ``"median"``, or ``None`` for the distance itself.
    unbiased
        Whether a metric with pairwise sums leaves out the pair of a cell with itself.
    """

    function: Callable[..., Any]
    resampling: Literal["pairs", "moments", "cells", "none", "effects"]
    with_control: bool = False
    badness: Callable[[float], float] = as_it_is
    gammas: np.ndarray | Literal["median"] | None = None
    unbiased: bool = True

    @property
    def is_distance(self) -> bool:
        """Whether it is zero at best and grows without bound."""
        return self.badness is as_it_is

    def centred(self, resamples: np.ndarray, value: float) -> np.ndarray:
        """Shift resamples to the estimate, within what the metric can be.

        A resample is further from everything than the cells it was drawn from, as those are from their population: the
        noise that the estimate contains once would be in its interval twice.
        """
        if np.isnan(resamples).all():
            return resamples
        shifted = resamples + (value - np.nanmean(resamples))
        if self.is_distance:
            return np.maximum(shifted, 0)
        return np.minimum(shifted, 1) if self.badness is _below_one else shifted


def _mean_over_features(marginals: Callable[..., np.ndarray]) -> Callable[..., float]:
    return lambda x, y: float(marginals(x, y).mean())


METRICS: dict[str, Metric] = {
    "energy_distance": Metric(metrics.energy_distance, "pairs"),
    "mmd": Metric(metrics.mmd, "pairs", gammas="median"),
    "legacy_mmd": Metric(metrics.legacy_mmd, "pairs", gammas=metrics.LEGACY_GAMMAS, unbiased=False),
    "legacy_mmd_training": Metric(metrics.legacy_mmd, "pairs", gammas=metrics.LEGACY_TRAINING_GAMMAS, unbiased=False),
    "l2_means": Metric(metrics.l2_means, "moments"),
    "l2_stds": Metric(metrics.l2_stds, "moments"),
    "r_means": Metric(metrics.r_means, "moments", badness=_below_one),
    "r2_means": Metric(metrics.r2_means, "moments", badness=_below_one),
    "correlation_distance": Metric(metrics.correlation_distance, "cells"),
    "knn_enrichment_50": Metric(partial(metrics.knn_enrichment, k=50), "none", badness=_off_half),
    "knn_enrichment_100": Metric(partial(metrics.knn_enrichment, k=100), "none", badness=_off_half),
    "sinkhorn_divergence": Metric(metrics.sinkhorn_divergence, "none"),
    "entropic_wasserstein2": Metric(metrics.entropic_wasserstein2, "none"),
    "wasserstein_marginals": Metric(_mean_over_features(metrics.wasserstein_marginals), "cells"),
    "ks_marginals": Metric(_mean_over_features(metrics.ks_marginals), "cells"),
    "pearson_delta": Metric(metrics.pearson_delta, "moments", with_control=True, badness=_below_one),
    "cosine_delta": Metric(metrics.cosine_delta, "moments", with_control=True, badness=_below_one),
    "r2_delta": Metric(metrics.r2_delta, "cells", with_control=True, badness=_below_one),
    "deg_overlap": Metric(metrics.deg_overlap, "cells", with_control=True, badness=_below_one),
    "sign_accuracy": Metric(metrics.sign_accuracy, "cells", with_control=True, badness=_below_one),
    "direction": Metric(metrics.direction, "cells", with_control=True, badness=_below_one),
    "variance_ratio": Metric(metrics.variance_ratio, "moments", badness=_off_one),
    **{
        f"discrimination_{distance}": Metric(
            partial(metrics.discrimination_score, distance=distance), "effects", badness=_below_one
        )
        for distance in ("l1", "l2", "cosine")
    },
}
"""Every metric by its name in the table of :func:`cellot_sc.tl.evaluate`."""


def mean_score(scores: list[Score]) -> Score:
    """Return the mean over groups, also in each resample: groups are independent, or their units drawn together."""
    return Score(
        float(np.mean([score.value for score in scores])),
        np.mean([score.resamples for score in scores], axis=0),
        sum(score.n_cells for score in scores),
    )


def worst_score(scores: list[Score], badness: Callable[[float], float]) -> Score:
    """Return the score of the worst group, with its own interval; NaN only where all are."""
    known = [score for score in scores if not math.isnan(score.value)]
    return max(known, key=lambda score: badness(score.value)) if known else scores[0]


def gap_closed(model: Score, identity: Score, observed: Score) -> Score:
    """Return (identity - model) / (identity - observed), NaN where there is no gap to close."""

    def fraction(of_model: np.ndarray, of_identity: np.ndarray, of_observed: np.ndarray) -> np.ndarray:
        gap = of_identity - of_observed
        return np.divide(of_identity - of_model, gap, out=np.full(gap.shape, np.nan), where=gap > 0)

    value = fraction(*(np.array(score.value) for score in (model, identity, observed)))
    resamples = fraction(model.resamples, identity.resamples, observed.resamples)
    return Score(float(value), resamples, model.n_cells)

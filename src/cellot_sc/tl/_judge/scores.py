"""The score of a prediction, and what becomes of scores over groups of cells."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ... import _keys
from ...metrics import METRICS, Metric


class Score(NamedTuple):
    """A metric's value, its resamples (shape ``(n_boot,)``, NaN without), and the number of observed cells."""

    value: float
    resamples: np.ndarray
    n_cells: int

    @classmethod
    def unknown(cls, n_boot: int, n_cells: int) -> Score:
        """Return the score of a prediction that cannot be scored."""
        return cls(math.nan, np.full(n_boot, math.nan), n_cells)


def described(metric: str | Metric) -> Metric:
    """Return what is known of a metric of a table: of some, no more than the name, and no best value (NaN)."""
    if isinstance(metric, Metric):
        return metric
    name = metric.removesuffix(_keys.GAP_CLOSED)
    base = METRICS.get(name) or Metric(name, lambda *clouds: math.nan, name, best=math.nan)
    if name == metric:
        return base
    return replace(base, name=metric, label=f"{base.label}, gap closed", best=1.0, bounds=(-math.inf, 1.0))


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

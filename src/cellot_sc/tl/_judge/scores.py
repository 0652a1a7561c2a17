"""The score of a prediction, and what becomes of scores over groups of cells."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ... import _defaults, _keys
from ...metrics import METRICS, Metric

type Scores = dict[tuple[str, str], Score]
"""By model and metric."""


class UnitTest(NamedTuple):
    """A p-value, the number of units that exchange, and the smallest p-value there could be; NaN without a test."""

    pvalue: float = math.nan
    n_units: float = math.nan
    p_min: float = math.nan


class Score(NamedTuple):
    """A metric's value, its resamples (shape ``(n_boot,)``, NaN without), the number of observed cells, and a test."""

    value: float
    resamples: np.ndarray
    n_cells: int
    test: UnitTest = UnitTest()

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
    values = (np.array(score.value) for score in (model, identity, observed))
    resamples = fraction_closed(model.resamples, identity.resamples, observed.resamples)
    return Score(float(fraction_closed(*values)), resamples, model.n_cells)


def fraction_closed(model: np.ndarray, identity: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return (identity - model) / (identity - observed) of arrays of scores, NaN where there is no gap to close."""
    gap = identity - observed
    return np.divide(identity - model, gap, out=np.full(gap.shape, np.nan), where=gap > 0)


def summarise(scores: dict[str, Scores], metrics: list[Metric]) -> None:
    """Add the mean over groups, fractions of the gap closed, and the worst of the groups."""
    groups = [group for group in scores if group not in (_keys.ALL, _keys.EQUAL)]
    if groups:
        scores[_keys.MEAN] = {
            (model, metric.name): mean_score([scores[group][model, metric.name] for group in groups])
            for model in dict.fromkeys(model for model, _ in scores[groups[0]])
            for metric in metrics
        }
    distances = {metric.name for metric in metrics if metric.is_distance}
    for group_scores in scores.values():
        for (model, name), score in list(group_scores.items()):
            if name in distances and model not in (_defaults.IDENTITY, _keys.OBSERVED):
                group_scores[model, name + _keys.GAP_CLOSED] = gap_closed(
                    score, group_scores[_defaults.IDENTITY, name], group_scores[_keys.OBSERVED, name]
                )
    if groups:
        badness = {metric.name: metric.badness for metric in metrics}
        scores[_keys.WORST] = {
            (model, name): worst_score(
                # of the gap, the less is closed, the worse
                [scores[group][model, name] for group in groups],
                badness.get(name, operator.neg),
                # the p-value of a group that was chosen for its score says nothing
            )._replace(test=UnitTest())
            for model, name in scores[groups[0]]
        }

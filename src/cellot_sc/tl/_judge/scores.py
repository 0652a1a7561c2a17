"""The score of a prediction, and what becomes of scores over groups of cells."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ... import _keys
from ...metrics import METRICS, Metric
from ...metrics._bootstrap import interval

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
    name = metric.removesuffix(_keys.CALIBRATED)
    base = METRICS.get(name) or Metric(name, lambda *clouds: math.nan, name, best=math.nan)
    if name == metric:
        return base
    return replace(base, name=metric, label=f"{base.label}, calibrated", best=1.0, bounds=(-math.inf, 1.0))


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


def calibrate(model: np.ndarray, floor: np.ndarray, ceiling: np.ndarray) -> np.ndarray:
    """Return how far from the floor (0) to the ceiling (1) a model gets, given how bad they are.

    Parameters
    ----------
    model, floor, ceiling
        Badness: of the values, and then of each resample that all three share, shape ``(1 + n_boot,)``.

    Returns
    -------
    The same of the calibrated score. All is NaN where the ceiling is no better than the floor, or the interval of what
    lies between them includes 0; so is a resample without a gap, and an infinitely bad one.
    """
    with np.errstate(invalid="ignore"):
        gap, way = floor - ceiling, floor - model
    out = np.full(gap.shape, math.nan)
    low, _ = interval(gap[1:])
    if gap[0] > 0 and not low <= 0:
        np.divide(way, gap, out=out, where=(gap > 0) & np.isfinite(way) & np.isfinite(gap))
    return out


def calibrated(model: list[Score], floor: list[Score], ceiling: list[Score], metric: Metric) -> Score:
    """Return the calibrated score of a group of cells, or of several: the ratio of means over them."""

    def bad(scores: list[Score]) -> np.ndarray:
        return np.mean([metric.badness(np.array([score.value, *score.resamples])) for score in scores], axis=0)

    value, *resamples = calibrate(bad(model), bad(floor), bad(ceiling))
    return Score(float(value), np.array(resamples), sum(score.n_cells for score in model))


def summarise(scores: dict[str, Scores], metrics: list[Metric], floors: Mapping[str, str]) -> None:
    """Add the mean over groups, calibrated scores, and the worst of the groups.

    Parameters
    ----------
    scores
        Scores of every group, which are added to.
    metrics
        The metrics.
    floors
        By metric, the model at which a calibrated score is 0.
    """
    groups = [group for group in scores if group not in (_keys.ALL, _keys.EQUAL)]
    members = {group: [scores[group]] for group in scores}
    if groups:
        members[_keys.MEAN] = [scores[group] for group in groups]
        scores[_keys.MEAN] = {
            (model, metric.name): mean_score([one[model, metric.name] for one in members[_keys.MEAN]])
            for model in dict.fromkeys(model for model, _ in scores[groups[0]])
            for metric in metrics
        }
    records = {metric.name: metric for metric in metrics}
    for group, of_group in members.items():
        added: Scores = {}
        for model, name in scores[group]:
            if model in (floors[name], _keys.OBSERVED):
                continue
            one, floor, ceiling = (
                [scored[which, name] for scored in of_group] for which in (model, floors[name], _keys.OBSERVED)
            )
            added[model, name + _keys.CALIBRATED] = calibrated(one, floor, ceiling, records[name])
        scores[group] |= added
    if groups:
        scores[_keys.WORST] = {
            (model, name): worst_score(
                [scores[group][model, name] for group in groups],
                # of a calibrated score, the less, the worse
                records[name].badness if name in records else operator.neg,
                # the p-value of a group that was chosen for its score says nothing
            )._replace(test=UnitTest())
            for model, name in scores[groups[0]]
        }

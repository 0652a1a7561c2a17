from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cellot_sc import metrics
from cellot_sc.metrics import METRICS, Metric


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_keeps_to_it(name: str) -> None:
    metrics.check_metric(METRICS[name])


def changes_cells(x: np.ndarray, y: np.ndarray) -> float:
    x -= y.mean(axis=0)
    return float(np.abs(x.mean(axis=0)).sum())


def mine(function: Callable[..., Any], **kwargs: Any) -> Metric:
    return Metric("mine", function, "my own", **{"meaning": "How far apart means are.", **kwargs})


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (mine(metrics.l2_means, meaning=""), "has no meaning"),
        (mine(metrics.l2_means, best=2.0, bounds=(0.0, 1.0)), "is best at 2.0, which is outside its bounds"),
        (mine(lambda x, y: 1 / 0), "raises ZeroDivisionError"),
        (mine(lambda x, y: np.nan), "is nan of clouds of"),
        (mine(metrics.r_means), "a wrong prediction, which should be worst"),
        (mine(lambda x, y: metrics.l2_means(x, y) + 100), "is off its best value 0.0 by 100"),
        (mine(lambda x, y: float(np.abs(x[:20].mean(0) - y[:20].mean(0)).sum())), "cells have no order"),
        (mine(lambda x, y: metrics.l2_means(x, y) if len(x) > 2 else np.inf), "is inf of two cells"),
        (mine(changes_cells), "changes the cells"),
        (mine(metrics.correlation_distance, resampling=metrics.MomentResampling()), "depends on more than that looks"),
        (mine(metrics.l2_means, resampling=metrics.PairResampling()), "by PairResampling: the two have to agree"),
        (mine(lambda x, y: 1.0, best=1.0, across_perturbations=True), "one value each"),
        (
            mine(lambda x, y: np.linalg.norm(x - y, axis=1), best=1.0, across_perturbations=True),
            "for perfect effects: 1.0 is its best value",
        ),
        (mine(lambda x, y: np.zeros(len(x)), across_perturbations=True), "it should be worse than 0.0"),
        (mine(lambda x, y: abs(x - y).max(axis=1) * np.arange(5), across_perturbations=True), "it should be worse"),
    ],
)  # fmt: skip
def test_what_does_not_is_told(metric: Metric, words: str) -> None:
    with pytest.raises(AssertionError, match=f"^metric 'mine' .*{words}"):
        metrics.check_metric(metric)


class ShiftedResampling(metrics.CellResampling):
    def score(self, *args: Any) -> tuple[float, np.ndarray]:
        value, resamples = super().score(*args)
        return value, resamples + 100


def test_resamples_lie_around_the_value() -> None:
    with pytest.raises(AssertionError, match="its resamples lie in .*: not around it"):
        metrics.check_metric(mine(metrics.l2_means, resampling=ShiftedResampling()))

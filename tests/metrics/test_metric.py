from __future__ import annotations

import math

import numpy as np
import pytest

from cellot_sc import metrics
from cellot_sc.metrics import METRICS, Metric


def test_a_metric_can_be_called() -> None:
    rng = np.random.default_rng(0)
    x, y, control = rng.normal(size=(3, 10, 4)).astype(np.float32)
    assert METRICS["l2_means"](x, y) == metrics.l2_means(x, y)
    assert METRICS["pearson_delta"](x, y + 1, control) == metrics.pearson_delta(x, y + 1, control)
    value = METRICS["ks_marginals"](x.tolist(), y)
    assert isinstance(value, float) and value == metrics.ks_marginals(x, y).mean()
    assert METRICS["discrimination_l1"](y, y).tolist() == [1.0] * 10


@pytest.mark.parametrize(
    ("clouds", "error", "words"),
    [
        (([[1, 2], [3, 4]],), TypeError, "metric 'l2_means' takes predicted, observed: 1 clouds of cells were given"),
        (([[1, 2], [3, 4]], [[1], [2]]), ValueError, r"differ in the number of features \(predicted 2, observed 1\)"),
        (([[1, 2]], [[1, 2], [3, 4]]), ValueError, "predicted has 1 cells: at least 2 are needed"),
        (
            ([[1, 2], [3, 4]], [[1, 2], [3, np.nan]]),
            ValueError,
            "observed holds NaN or inf in 1 of 2 cells",
        ),
    ],
)
def test_clouds_that_are_none(clouds: tuple, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        METRICS["l2_means"](*clouds)


def of(best: float, low: float, high: float) -> Metric:
    return Metric("mine", lambda x, y: 0.0, "mine", best=best, bounds=(low, high))


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        (of(0, 0, math.inf), [-0.1, 0, 0.5, 2]),
        (of(1, -1, 1), [1, 0.9, 0, -1]),
        (of(0.5, 0, 1), [0.5, 0.6, 0.3, 0.9]),
        # of a ratio, twice as much is as bad as half
        (of(1, 0, math.inf), [1, 1.5, 0.6, 2, 0.4, 0]),
    ],
)
def test_values_from_good_to_bad(metric: Metric, values: list[float]) -> None:
    assert sorted([*values[1:], values[0]], key=metric.badness) == values
    assert metric.badness(metric.best) == 0


def test_distances_are_zero_at_best() -> None:
    assert of(0, 0, math.inf).is_distance
    assert not any(metric.is_distance for metric in (of(1, -1, 1), of(0.5, 0, 1), of(1, 0, math.inf)))


def test_centred_resamples_stay_within_bounds() -> None:
    distance, correlation = METRICS["l2_means"], METRICS["r_means"]
    np.testing.assert_allclose(distance.centred(np.array([1.0, 2.0, 3.0]), 1.0), [0, 1, 2])
    np.testing.assert_allclose(distance.centred(np.array([1.0, 2.0, 3.0]), 0.5), [0, 0.5, 1.5])
    np.testing.assert_allclose(correlation.centred(np.array([0.7, 0.9]), 0.95), [0.85, 1.0])
    assert np.isnan(correlation.centred(np.full(2, np.nan), 0.9)).all()


def test_names_that_are_taken_are_refused() -> None:
    with pytest.raises(ValueError, match="the name of the metric 'mmd' is taken by .*: choose another one"):
        metrics.register(Metric("mmd", lambda x, y: 0.0, "mine"))
    with pytest.raises(TypeError, match="a metric is a Metric, not function"):
        metrics.register(metrics.mmd)  # type: ignore[arg-type]
    assert metrics.register(METRICS["mmd"]) is METRICS["mmd"]

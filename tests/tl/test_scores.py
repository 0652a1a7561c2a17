from __future__ import annotations

import numpy as np
import pytest

from cellot_sc import metrics
from cellot_sc.tl._scores import METRICS, Metric, Reference, Score, gap_closed, mean_score, worst_score


@pytest.fixture(scope="module")
def clouds() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predicted, observed and control cells."""
    rng = np.random.default_rng(0)
    x, y, control = rng.normal(size=(3, 120, 6)).astype(np.float32)
    effect = np.linspace(0, 1.5, 6, dtype=np.float32)
    return x + 0.8 * effect, y + effect, control


def reference(clouds: tuple[np.ndarray, np.ndarray, np.ndarray], n_boot: int = 40) -> Reference:
    _, y, control = clouds
    return Reference(y, control, gammas=np.array([0.1, 0.2]), n_boot=n_boot, rng=np.random.default_rng(0))


@pytest.mark.parametrize("name", METRICS)
def test_value_is_that_of_the_metric_and_its_interval_is_around_it(
    clouds: tuple[np.ndarray, np.ndarray, np.ndarray], name: str
):
    x, y, control = clouds
    judge = reference(clouds)
    score = judge.score(name, x, judge.control_counts)
    metric = METRICS[name]
    if name == "mmd":
        expected = metrics.mmd(x, y, gamma=[0.1, 0.2])
    elif name == "legacy_mmd_training":
        expected = metrics.legacy_mmd(x, y, gammas=[2, 1, 0.5, 0.1, 0.01, 0.005])
    else:
        expected = metric.function(x, y, control) if metric.with_control else metric.function(x, y)
    assert score.value == pytest.approx(expected, rel=1e-5, abs=1e-8)
    assert score.n_cells == 120
    assert score.resamples.shape == (40,)
    if metric.resampling == "none":
        assert np.isnan(score.resamples).all()
    else:
        assert score.resamples.min() <= score.value <= score.resamples.max()


@pytest.mark.parametrize("name", METRICS)
def test_no_resamples(clouds: tuple[np.ndarray, np.ndarray, np.ndarray], name: str):
    judge = reference(clouds, n_boot=0)
    score = judge.score(name, clouds[0], judge.control_counts)
    assert np.isfinite(score.value)
    assert score.resamples.shape == (0,)


@pytest.mark.parametrize("name", METRICS)
def test_badness_is_least_for_a_perfect_prediction(clouds: tuple[np.ndarray, np.ndarray, np.ndarray], name: str):
    x, y, _ = clouds
    judge = reference(clouds, n_boot=0)
    other_half = np.random.default_rng(5).normal(size=y.shape) + np.linspace(0, 1.5, 6)
    perfect, wrong = (
        METRICS[name].badness(judge.score(name, cells, judge.counts(len(cells))).value)
        for cells in (other_half, -2 - np.cumsum(x, axis=1))
    )
    # this is one, whatever the prediction: all six features are among the top
    assert perfect < wrong or name == "deg_overlap"


def test_models_share_resamples(clouds: tuple[np.ndarray, np.ndarray, np.ndarray]):
    x, _, _ = clouds
    judge = reference(clouds)
    one, two = (judge.score("energy_distance", cells, judge.control_counts).resamples for cells in (x, x + 0.01))
    assert np.corrcoef(one, two)[0, 1] > 0.99


def test_centred_resamples_stay_within_bounds():
    distance, correlation = Metric(metrics.l2_means, "moments"), METRICS["r_means"]
    np.testing.assert_allclose(distance.centred(np.array([1.0, 2.0, 3.0]), 1.0), [0, 1, 2])
    np.testing.assert_allclose(distance.centred(np.array([1.0, 2.0, 3.0]), 0.5), [0, 0.5, 1.5])
    np.testing.assert_allclose(correlation.centred(np.array([0.7, 0.9]), 0.95), [0.85, 1.0])
    assert np.isnan(correlation.centred(np.full(2, np.nan), 0.9)).all()


def test_summaries_over_groups():
    one = Score(1.0, np.array([0.5, 1.5]), 10)
    two = Score(3.0, np.array([2.0, 4.0]), 20)
    unknown = Score(float("nan"), np.full(2, np.nan), 5)
    mean = mean_score([one, two])
    assert (mean.value, mean.n_cells) == (2.0, 30)
    np.testing.assert_array_equal(mean.resamples, [1.25, 2.75])
    assert np.isnan(mean_score([one, unknown]).value)
    assert worst_score([one, two, unknown], METRICS["energy_distance"].badness) is two
    assert worst_score([one, two, unknown], METRICS["pearson_delta"].badness) is one
    assert np.isnan(worst_score([unknown, unknown], METRICS["mmd"].badness).value)


def test_worst_variance_ratio_is_the_furthest_from_one():
    low, high = Score(0.4, np.empty(0), 1), Score(2.0, np.empty(0), 1)
    assert worst_score([low, high], METRICS["variance_ratio"].badness) is low
    none = Score(0.0, np.empty(0), 1)
    assert worst_score([low, none], METRICS["variance_ratio"].badness) is none


def test_gap_closed():
    def score(*values: float) -> Score:
        return Score(values[0], np.array(values[1:]), 7)

    closed = gap_closed(score(2, 2, 5), score(5, 5, 5), score(1, 1, 6))
    assert closed.value == 0.75
    assert closed.n_cells == 7
    np.testing.assert_array_equal(closed.resamples, [0.75, np.nan])
    assert np.isnan(gap_closed(score(2), score(1), score(1)).value)
    assert np.isnan(gap_closed(score(2), score(1), score(float("nan"))).value)

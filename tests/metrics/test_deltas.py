from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cosine
from scipy.stats import pearsonr, ttest_ind
from sklearn.metrics import r2_score

from cellot_sc import metrics
from cellot_sc.metrics._stats import welch

N_FEATURES = 30


@pytest.fixture
def clouds() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predicted, observed and control cells; ten features respond, six of them are predicted well."""
    rng = np.random.default_rng(0)
    effect = np.zeros(N_FEATURES)
    effect[:10] = np.linspace(1, 3, 10) * np.where(np.arange(10) % 2, 1, -1)
    guess = effect.copy()
    guess[6:10] *= -0.2
    base = rng.normal(size=N_FEATURES)
    draw = [rng.normal(size=(n, N_FEATURES)) + base for n in (80, 90, 100)]
    return draw[0] + guess, draw[1] + effect, draw[2]


def deltas(clouds: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    x, y, control = clouds
    return x.mean(0) - control.mean(0), y.mean(0) - control.mean(0)


def test_correlations(clouds: tuple[np.ndarray, np.ndarray, np.ndarray]):
    predicted, observed = deltas(clouds)
    assert metrics.pearson_delta(*clouds) == pytest.approx(pearsonr(predicted, observed).statistic)
    assert metrics.cosine_delta(*clouds) == pytest.approx(1 - cosine(predicted, observed))


def test_perfect_and_empty_predictions(clouds: tuple[np.ndarray, np.ndarray, np.ndarray]):
    _, y, control = clouds
    for metric in (metrics.pearson_delta, metrics.cosine_delta, metrics.r2_delta, metrics.deg_overlap):
        assert metric(y, y, control) == pytest.approx(1)
    assert metrics.sign_accuracy(y, y, control) == metrics.direction(y, y, control) == 1
    assert np.isnan(metrics.pearson_delta(control, y, control))
    assert np.isnan(metrics.cosine_delta(control, y, control))
    assert metrics.sign_accuracy(control, y, control) == metrics.direction(control, y, control) == 0
    assert metrics.r2_delta(control, y, control) < 0.6


def test_scores_equal_scipy(clouds: tuple[np.ndarray, np.ndarray, np.ndarray]):
    _, y, control = clouds
    reference = ttest_ind(y, control, equal_var=False)
    np.testing.assert_allclose(metrics.deg_scores(y, control), reference.statistic, rtol=1e-12)
    np.testing.assert_allclose(welch(y, control)[1], reference.pvalue, rtol=1e-11)


def test_scores_of_features_that_never_vary():
    control = np.zeros((5, 2))
    score = metrics.deg_scores(control + [0, 1], control)
    assert score[0] == 0
    assert np.isfinite(score).all()
    assert score[1] > 1e3


def test_r2_equals_sklearn(clouds: tuple[np.ndarray, np.ndarray, np.ndarray]):
    predicted, observed = deltas(clouds)
    assert metrics.r2_delta(*clouds, weights=np.ones(N_FEATURES)) == pytest.approx(r2_score(observed, predicted))
    score = np.abs(ttest_ind(clouds[1], clouds[2], equal_var=False).statistic)
    w = ((score - score.min()) / (score.max() - score.min())) ** 2
    expected = (
        1 - (w * (observed - predicted) ** 2).sum() / (w * (observed - np.average(observed, weights=w)) ** 2).sum()
    )
    assert metrics.r2_delta(*clouds) == pytest.approx(expected)


def test_r2_of_the_mean_change_is_zero(clouds: tuple[np.ndarray, np.ndarray, np.ndarray]):
    _, y, control = clouds
    mean = (y.mean(0) - control.mean(0)).mean()
    assert metrics.r2_delta(control + mean, y, control, weights=np.ones(N_FEATURES)) == pytest.approx(0)


def test_r2_without_any_change_is_nan():
    control = np.random.default_rng(0).normal(size=(5, 3))
    assert np.isnan(metrics.r2_delta(control + 1, control, control))


@pytest.mark.parametrize(
    "weights", [np.ones(3), -np.ones(N_FEATURES), np.zeros(N_FEATURES), np.full(N_FEATURES, np.nan)]
)
def test_bad_weights(clouds: tuple[np.ndarray, np.ndarray, np.ndarray], weights: np.ndarray):
    with pytest.raises(ValueError, match="non-negative finite"):
        metrics.r2_delta(*clouds, weights=weights)


def test_top_features(clouds: tuple[np.ndarray, np.ndarray, np.ndarray]):
    # of the ten features that respond, the prediction gets six right and moves four, weakly, the wrong way
    assert metrics.sign_accuracy(*clouds, k=10) == pytest.approx(0.6)
    assert metrics.deg_overlap(*clouds, k=10) >= 0.6
    assert metrics.deg_overlap(*clouds, k=1000) == 1.0
    for metric in (metrics.sign_accuracy, metrics.deg_overlap):
        with pytest.raises(ValueError, match="k is 0"):
            metric(*clouds, k=0)


@pytest.mark.parametrize("k", [1, 5, 12])
def test_overlap_is_that_of_the_largest_statistics(clouds: tuple[np.ndarray, np.ndarray, np.ndarray], k: int):
    x, y, control = clouds
    top = [set(np.argsort(-np.abs(ttest_ind(cells, control, equal_var=False).statistic))[:k]) for cells in (x, y)]
    assert metrics.deg_overlap(*clouds, k=k) == pytest.approx(len(top[0] & top[1]) / k)
    predicted, observed = deltas(clouds)
    right = [np.sign(predicted[g]) == np.sign(observed[g]) for g in top[1]]
    assert metrics.sign_accuracy(*clouds, k=k) == pytest.approx(np.mean(right))


def test_direction(clouds: tuple[np.ndarray, np.ndarray, np.ndarray]):
    predicted, observed = deltas(clouds)
    p = ttest_ind(clouds[1], clouds[2], equal_var=False).pvalue
    # the step-up procedure: as many as pass their own share of the rate, and all that are smaller
    in_order = np.sort(p)
    significant = p <= in_order[in_order <= 0.05 * np.arange(1, N_FEATURES + 1) / N_FEATURES].max()
    assert 0 < significant.sum() < N_FEATURES
    expected = (np.sign(predicted) == np.sign(observed))[significant].mean()
    assert metrics.direction(*clouds) == pytest.approx(expected)
    with pytest.raises(ValueError, match="fdr is 1"):
        metrics.direction(*clouds, fdr=1)


def test_direction_without_significant_features_is_nan():
    control = np.random.default_rng(0).normal(size=(20, 3))
    assert np.isnan(metrics.direction(control, control, control))


def test_variance_ratio(clouds: tuple[np.ndarray, np.ndarray, np.ndarray]):
    x, y, _ = clouds
    assert metrics.variance_ratio(x, y) == pytest.approx(np.trace(np.cov(x.T)) / np.trace(np.cov(y.T)))
    assert metrics.variance_ratio(y / 2 + 9, y) == pytest.approx(0.25)
    assert np.isnan(metrics.variance_ratio(x, np.ones_like(x)))

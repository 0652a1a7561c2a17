from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from cellot_sc.metrics._stats import middle, pearson, squared_distances, welch


def test_correlation() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 50))
    assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b).statistic)
    assert pearson(a, 3 * a + 1) == pytest.approx(1)
    assert np.isnan(pearson(a, np.ones(50)))


def test_distances_far_from_the_origin_keep_their_digits() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 30, 3))
    np.testing.assert_allclose(squared_distances(x, y), distance.cdist(x, y) ** 2, rtol=1e-9)
    # without centring, these would drown in the size of the coordinates
    far = 1000 + np.array([[0.0], [0.001]])
    np.testing.assert_allclose(squared_distances(far, far), [[0, 1e-6], [1e-6, 0]], rtol=1e-5)
    assert middle(far, far + 1) == pytest.approx(1000.5005)


def test_features_that_never_vary_have_finite_scores() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 30, 3))
    x[:, 1:], y[:, 1:] = [[2, 1]], 1
    score, pvalue = welch(x, y)
    reference = stats.ttest_ind(x[:, 0], y[:, 0], equal_var=False)
    assert (score[0], pvalue[0]) == (pytest.approx(reference.statistic), pytest.approx(reference.pvalue))
    assert score[1] > 1e5 and np.isfinite(score[1]) and pvalue[1] < 1e-9
    assert (score[2], pvalue[2]) == (0, 1)

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cellot_sc.metrics._stats import pearson, welch


def test_correlation() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 50))
    assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b).statistic)
    assert pearson(a, 3 * a + 1) == pytest.approx(1)
    assert np.isnan(pearson(a, np.ones(50)))


def test_features_that_never_vary_have_finite_scores() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 30, 3))
    x[:, 1:], y[:, 1:] = [[2, 1]], 1
    score, pvalue = welch(x, y)
    reference = stats.ttest_ind(x[:, 0], y[:, 0], equal_var=False)
    assert (score[0], pvalue[0]) == (pytest.approx(reference.statistic), pytest.approx(reference.pvalue))
    assert score[1] > 1e5 and np.isfinite(score[1]) and pvalue[1] < 1e-9
    assert (score[2], pvalue[2]) == (0, 1)

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cellot_sc.metrics._moderated import moderated, standardised, t_pvalues


def test_prior_is_found():
    rng = np.random.default_rng(0)
    # scaled inverse chi-squared with 8 degrees of freedom and scale 2, seen with 5
    true = 2 * 8 / rng.chisquare(8, 20_000)
    seen = true * rng.chisquare(5, true.size) / 5
    shrunk, df = moderated(seen, 5)
    assert df == pytest.approx(13, rel=0.05)
    np.testing.assert_allclose(shrunk, (8 * 2 + 5 * seen) / 13, rtol=0.05)
    assert ((shrunk - true) ** 2).mean() < 0.6 * ((seen - true) ** 2).mean()


def test_moderated_t_is_calibrated():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, 20_000)) * np.sqrt(2 * 8 / rng.chisquare(8, 20_000))
    variance, df = moderated(x.var(axis=0, ddof=1) / 4, 3)
    pvalues = t_pvalues(x.mean(axis=0), variance, df)
    assert (pvalues < 0.05).mean() == pytest.approx(0.05, abs=0.005)
    assert stats.kstest(pvalues, "uniform").pvalue > 0.001


def test_equal_variances_are_pooled():
    seen = np.random.default_rng(2).chisquare(4, 50) / 4
    shrunk, df = moderated(seen * 1.001 ** np.arange(50), 4)
    assert df <= 200
    # alike beyond what chance makes of them: one variance for all, with the degrees of freedom of all
    shrunk, df = moderated(np.tile([1.0, 1.1, 0.9], 4), 4)
    assert df == 48
    np.testing.assert_allclose(shrunk, 1.0)


def test_too_few_to_borrow_from():
    for variance in (np.geomspace(0.1, 2, 9), np.zeros(30), np.full(30, np.nan)):
        shrunk, df = moderated(variance, 4)
        np.testing.assert_array_equal(shrunk, variance)
        assert df == 4


def test_constant_features_keep_the_prior_finite():
    rng = np.random.default_rng(3)
    seen = np.append(rng.chisquare(5, 100) / 5, 0.0)
    shrunk, df = moderated(seen, 5)
    assert np.isfinite(shrunk).all() and shrunk[-1] > 0 and df > 5


def test_t_without_variance():
    assert t_pvalues(np.array([0.0, 1.0]), np.zeros(2), 3).tolist() == [1.0, 0.0]
    expected = stats.ttest_1samp([1.0, 2.0, 4.0], 0).pvalue
    x = np.array([1.0, 2.0, 4.0])
    assert t_pvalues(x.mean(keepdims=True), x.var(ddof=1, keepdims=True) / 3, 2)[0] == pytest.approx(expected)


def test_standardised():
    effect, se = np.array([-1.0, 0.0, 2.0, 1.0]), np.array([0.5, 0.0, 0.0, np.nan])
    np.testing.assert_array_equal(standardised(effect, se), [2.0, 0.0, np.inf, np.nan])

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse, stats

from cellot_sc.tl._effects.observed import MIN_CELLS, Observed, compare, sample, squared_errors


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_sample(kind: Any) -> None:
    x = np.random.default_rng(0).gamma(1, 1, size=(30, 4)).astype(np.float32)
    n_cells, mean, variance = sample(kind(x))
    assert n_cells == 30
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(variance, x.var(axis=0, ddof=1), rtol=1e-4)


def test_samples_that_are_too_small() -> None:
    assert np.isnan(sample(np.zeros((0, 2))).mean).all()
    one = sample(np.ones((1, 2)))
    assert one.mean.tolist() == [1, 1]
    assert np.isnan(one.variance).all()


def test_effect_is_tested_by_welch() -> None:
    rng = np.random.default_rng(0)
    control, treated = rng.normal(0, 1, (40, 3)), rng.normal([0, 1, 0], 2, (25, 3))
    control[:, 2] = treated[:, 2] = 5.0
    found = compare(sample(control), sample(treated))
    np.testing.assert_allclose(found.effect, treated.mean(axis=0) - control.mean(axis=0))
    expected = stats.ttest_ind(treated[:, :2], control[:, :2], equal_var=False).pvalue
    assert found.pvalue is not None
    np.testing.assert_allclose(found.pvalue[:2], expected)
    # what does not vary has no effect
    assert found.pvalue[2] == 1


def test_few_cells_are_not_tested() -> None:
    found = compare(sample(np.zeros((MIN_CELLS - 1, 2))), sample(np.ones((50, 2))))
    assert found.effect.tolist() == [1, 1]
    assert found.pvalue is None


def test_errors_beyond_those_of_sampling() -> None:
    seen = {
        "a": Observed(np.array([1.0, 0.0]), np.array([0.25, 0.5]), np.array([0.1, 0.1])),
        "b": Observed(np.array([9.0, 9.0]), np.array([np.nan, np.nan]), None),
    }
    predicted = {"a": np.array([2.0, 0.0]), "b": np.zeros(2), "c": np.zeros(2)}
    errors = squared_errors(predicted, seen)
    assert {group: error.tolist() for group, error in errors.items()} == {
        "a": [0.75, 0],
        "b": [0.75, 0],
        "c": [0.75, 0],
    }
    untested = squared_errors({"b": np.zeros(2)}, {"b": seen["b"]})
    assert untested["b"].tolist() == [0, 0]


def test_what_was_not_measured_has_no_pvalue() -> None:
    control, treated = np.array([[0.0, np.nan]] * 12), np.array([[1.0, np.nan]] * 12)
    control[0, 0] = 0.5
    found = compare(sample(control), sample(treated))
    assert found.pvalue is not None
    assert found.pvalue[0] < 1e-6 and np.isnan(found.pvalue[1])

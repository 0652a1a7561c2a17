from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, wasserstein_distance

from cellot_sc.metrics import ks_marginals, wasserstein_marginals


@settings(max_examples=50, deadline=None)
@given(m=st.integers(2, 60), n=st.integers(2, 60), seed=st.integers(0, 2**16), ties=st.booleans())
def test_equal_scipy(m: int, n: int, seed: int, ties: bool):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(m, 4)), rng.normal(size=(n, 4)) + np.arange(4) / 2
    if ties:
        x, y = x.round(), y.round()
    w1 = [wasserstein_distance(x[:, g], y[:, g]) for g in range(4)]
    ks = [ks_2samp(x[:, g], y[:, g], method="asymp").statistic for g in range(4)]
    np.testing.assert_allclose(wasserstein_marginals(x, y), w1, atol=1e-9)
    np.testing.assert_allclose(ks_marginals(x, y), ks, atol=1e-9)
    np.testing.assert_allclose(wasserstein_marginals(y, x), w1, atol=1e-9)
    np.testing.assert_allclose(ks_marginals(y, x), ks, atol=1e-9)


def test_known_values():
    x, y = np.array([[0.0], [1.0], [2.0]]), np.array([[5.0], [6.0], [7.0]])
    assert wasserstein_marginals(x, y) == pytest.approx([5.0])
    assert ks_marginals(x, y) == pytest.approx([1.0])
    assert wasserstein_marginals(x, x) == pytest.approx([0.0])
    assert ks_marginals(x, x) == pytest.approx([0.0])

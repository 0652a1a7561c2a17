from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance as scipy_energy

from cellot_sc.metrics import energy_distance

SIZES = st.integers(2, 140)
FEATURES = st.sampled_from([1, 3])
SEEDS = st.integers(0, 2**16)
property_test = settings(max_examples=25, deadline=None)


def clouds(m: int, n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, d)), rng.normal(size=(n, d)) * 1.3 + 0.4


@property_test
@given(m=SIZES, n=SIZES, d=FEATURES, seed=SEEDS)
def test_equals_naive(m: int, n: int, d: int, seed: int):
    x, y = clouds(m, n, d, seed)
    expected = 2 * cdist(x, y).mean() - cdist(x, x).sum() / (m * (m - 1)) - cdist(y, y).sum() / (n * (n - 1))
    assert energy_distance(x, y) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@property_test
@given(m=SIZES, n=SIZES, d=FEATURES, seed=SEEDS)
def test_symmetric_and_invariant(m: int, n: int, d: int, seed: int):
    x, y = clouds(m, n, d, seed)
    value = energy_distance(x, y)
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    assert energy_distance(y, x) == pytest.approx(value, abs=1e-6)
    assert energy_distance(rng.permutation(x), rng.permutation(y)) == pytest.approx(value, abs=1e-6)
    assert energy_distance(x + 1000, y + 1000) == pytest.approx(value, abs=1e-6)
    assert energy_distance(x @ rotation, y @ rotation) == pytest.approx(value, abs=1e-6)
    assert energy_distance(3 * x, 3 * y) == pytest.approx(3 * value, abs=1e-5)


@property_test
@given(m=SIZES, n=SIZES, seed=SEEDS)
def test_relates_to_scipy_in_one_dimension(m: int, n: int, seed: int):
    x, y = clouds(m, n, 1, seed)
    # scipy's is the root of the biased version, which counts each cell's distance to itself
    bias = cdist(x, x).sum() / (m**2 * (m - 1)) + cdist(y, y).sum() / (n**2 * (n - 1))
    assert energy_distance(x, y) + bias == pytest.approx(scipy_energy(x[:, 0], y[:, 0]) ** 2, abs=1e-6)


def test_zero_on_average_for_one_distribution():
    rng = np.random.default_rng(0)
    values = [energy_distance(*rng.normal(size=(2, 40, 3))) for _ in range(300)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(300)
    assert min(values) < 0

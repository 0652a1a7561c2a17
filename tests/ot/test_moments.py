from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from cellot_sc.ot._moments import moments


def covariance(n_dims: int, rng: np.random.Generator) -> np.ndarray:
    half = rng.normal(size=(n_dims, n_dims))
    return half @ half.T + 0.1 * np.eye(n_dims)


def cells(n_cells: int, n_dims: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n_cells, n_dims)) @ covariance(n_dims, rng) + rng.normal(size=n_dims)).astype(np.float32)


@pytest.mark.parametrize(("n_cells", "n_dims"), [(500, 4), (40, 4), (10, 30), (3, 2)])
def test_moments_are_those_of_ledoit_and_wolf(n_cells: int, n_dims: int):
    x = cells(n_cells, n_dims, 0).astype(np.float64)
    expected, _ = ledoit_wolf(x)
    ridge = 1e-5 * np.trace(expected) / n_dims
    mean, shrunk = moments(x)[:2]
    np.testing.assert_allclose(mean, x.mean(0), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(shrunk, expected + ridge * np.eye(n_dims), rtol=1e-9, atol=1e-9)


def test_moments_of_cells_that_are_all_alike():
    mean, shrunk = moments(np.ones((20, 3), dtype=np.float32))[:2]
    assert mean.tolist() == [1, 1, 1]
    np.testing.assert_array_equal(shrunk, np.eye(3))


def test_moments_of_weighted_cells():
    x = (np.random.default_rng(0).normal(size=(3000, 4)) * [1, 2, 3, 4] + np.arange(4)).astype(np.float32)
    counts = np.random.default_rng(1).integers(0, 4, 3000)
    found, repeated = moments(x, counts.astype(float)), moments(np.repeat(x, counts, axis=0))
    np.testing.assert_allclose(found.mean, repeated.mean, atol=1e-6)
    # they differ in how far they are shrunk: copies of a cell are no more cells
    np.testing.assert_allclose(found.covariance, repeated.covariance, atol=0.05)
    assert found.noise > repeated.noise

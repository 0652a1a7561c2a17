from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from cellot_sc.ot._moments import CHUNK, GroupMoments, moments


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


def test_moments_of_groups_make_those_of_all_cells():
    rng = np.random.default_rng(0)
    x = (rng.gamma(1.0, size=(3000, 4)) * [1, 2, 3, 4]).astype(np.float32)
    groups, weights = rng.integers(0, 3, 3000), rng.uniform(size=3000)
    x += groups[:, None]
    factors = np.array([0.5, 0.0, 3.0])
    for given in (None, weights):
        found = GroupMoments.of(x, groups, 3, given)
        counts = factors[groups] * (1 if given is None else given)
        expected = moments(x, counts)
        for ours, theirs in zip(found.moments(factors), expected, strict=True):
            np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-9, atol=1e-12)
        rows = groups == 1
        own = moments(x[rows], None if given is None else given[rows])
        np.testing.assert_allclose(found.means[1], own.mean, rtol=1e-9)
        np.testing.assert_allclose(
            found.sizes[1], rows.sum() if given is None else given[rows].sum() ** 2 / (given[rows] ** 2).sum()
        )


def test_moments_of_groups_in_chunks(monkeypatch: pytest.MonkeyPatch):
    x, groups = cells(500, 3, 0), np.arange(500) % 3 % 2
    whole = GroupMoments.of(x, groups, 3)
    monkeypatch.setattr("cellot_sc.ot._moments.CHUNK", 64)
    assert CHUNK > 500
    for one, other in zip(whole, GroupMoments.of(x, groups, 3), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    # the third has no cells
    assert whole.masses.tolist() == [333, 167, 0]
    assert not whole.covariances[2].any()

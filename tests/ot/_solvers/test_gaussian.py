from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellot_sc.ot import AffineMap
from cellot_sc.ot._solvers.gaussian import bures_matrix, cautious_gaussian_map, gaussian_map

SEEDS = st.integers(0, 2**32 - 1)


def covariance(n_dims: int, rng: np.random.Generator) -> np.ndarray:
    half = rng.normal(size=(n_dims, n_dims))
    return half @ half.T + 0.1 * np.eye(n_dims)


def cells(n_cells: int, n_dims: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n_cells, n_dims)) @ covariance(n_dims, rng) + rng.normal(size=n_dims)).astype(np.float32)


@given(SEEDS, st.integers(1, 6))
def test_bures_matrix_takes_one_covariance_to_the_other(seed: int, n_dims: int):
    rng = np.random.default_rng(seed)
    source, target = covariance(n_dims, rng), covariance(n_dims, rng)
    matrix = bures_matrix(source, target)
    np.testing.assert_allclose(matrix @ source @ matrix, target, rtol=1e-6, atol=1e-7 * np.trace(target))
    # optimal: the gradient of a convex function
    np.testing.assert_array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix).min() > 0


@given(SEEDS, st.integers(1, 6))
def test_bures_matrix_of_equal_covariances_is_the_identity(seed: int, n_dims: int):
    source = covariance(n_dims, np.random.default_rng(seed))
    np.testing.assert_allclose(bures_matrix(source, source), np.eye(n_dims), atol=1e-6)


@given(SEEDS, st.integers(1, 6))
def test_bures_matrices_of_both_ways_are_inverse(seed: int, n_dims: int):
    rng = np.random.default_rng(seed)
    source, target = covariance(n_dims, rng), covariance(n_dims, rng)
    there_and_back = bures_matrix(source, target) @ bures_matrix(target, source)
    np.testing.assert_allclose(there_and_back, np.eye(n_dims), atol=1e-5)


def test_bures_matrix_of_diagonal_covariances():
    matrix = bures_matrix(np.diag([1.0, 4.0]), np.diag([9.0, 1.0]))
    np.testing.assert_allclose(matrix, np.diag([3.0, 0.5]), atol=1e-12)


def test_gaussian_map_moves_the_moments():
    x, y = cells(2000, 4, 0), cells(1500, 4, 1)
    moved = gaussian_map(x, y).transport(x)
    np.testing.assert_allclose(moved.mean(0), y.mean(0), atol=1e-3)
    # equal but for the shrinkage
    np.testing.assert_allclose(np.cov(moved.T), np.cov(y.T), atol=0.02 * np.trace(np.cov(y.T)))


@pytest.mark.parametrize("function", [gaussian_map, cautious_gaussian_map])
def test_constant_features_and_few_cells(function):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 12, 20)).astype(np.float32)
    x[:, 0], y[:, 0] = 3, 5
    transport = function(x, y)
    moved = transport.transport(x)
    assert np.isfinite(moved).all()
    assert np.isfinite(transport.inverse(moved)).all()
    if function is gaussian_map:
        np.testing.assert_allclose(moved[:, 0], 5, atol=1e-3)


def test_cautious_map_of_two_samples_of_one_cloud_stays_put():
    moved, moved_cautiously = [], []
    for seed in range(20):
        both = cells(400, 10, seed)
        x, y = both[:200], both[200:]
        moved.append(gaussian_map(x, y).cost(x).mean())
        moved_cautiously.append(cautious_gaussian_map(x, y).cost(x).mean())
        # nowhere further than the map that takes sampling noise for an effect
        assert moved_cautiously[-1] <= moved[-1]
    assert np.mean(moved_cautiously) <= 0.4 * np.mean(moved)


def test_cautious_map_of_a_cloud_to_itself_is_the_identity():
    x = cells(100, 5, 0)
    np.testing.assert_allclose(cautious_gaussian_map(x, x.copy()).transport(x), x, atol=1e-4 * np.abs(x).max())


def test_cautious_map_follows_a_strong_effect():
    x, y = cells(1000, 4, 0), 3 * cells(1000, 4, 1) + 10
    bold, cautious = gaussian_map(x, y), cautious_gaussian_map(x, y)
    moved = cautious.transport(x)
    assert cautious.cost(x).mean() > 10
    error = np.linalg.norm(moved - bold.transport(x), axis=1)
    assert error.mean() <= 0.02 * np.linalg.norm(moved - x, axis=1).mean()


def test_cautious_map_sees_a_shift_without_a_change_of_shape():
    x = cells(1000, 5, 3)
    shift = np.array([8, 0, 0, 0, 0], dtype=np.float32)
    moved = cautious_gaussian_map(x[:500], x[500:] + shift).transport(x)
    np.testing.assert_allclose((moved - x).mean(0), shift, atol=0.1 * np.sqrt(np.trace(np.cov(x.T))))


@pytest.mark.parametrize("function", [gaussian_map, cautious_gaussian_map])
def test_cells_without_weight_do_not_count(function: Callable[..., AffineMap]):
    x, y = np.random.default_rng(0).normal(size=(2, 300, 3)).astype(np.float32)
    a, b = np.where(np.arange(300) < 200, 2.0, 0.0), np.where(np.arange(300) < 150, 0.5, 0.0)
    found, expected = function(x, y + 1, a, b), function(x[:200], y[:150] + 1)
    np.testing.assert_allclose(found.transport(x), expected.transport(x), atol=1e-5)

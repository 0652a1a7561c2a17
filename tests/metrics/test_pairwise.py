from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from cellot_sc.metrics import _pairwise
from cellot_sc.metrics._pairwise import pair_forms, pair_sums

SIZES = [(5, 7), (128, 129), (1000, 1030), (2100, 300)]


@pytest.mark.parametrize("sizes", SIZES)
def test_sums_equal_dense(sizes: tuple[int, int]):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(sizes[0], 6)), rng.normal(size=(sizes[1], 6)) + 5
    gammas = np.array([0.5, 0.01])
    within, between = cdist(x, x), cdist(x, y)
    np.testing.assert_allclose(pair_sums(x, gammas=None), within.sum(), rtol=1e-7)
    np.testing.assert_allclose(pair_sums(x, y, gammas=None), between.sum(), rtol=1e-7)
    dense = [np.exp(-g * within**2).sum() - len(x) for g in gammas]
    np.testing.assert_allclose(pair_sums(x, gammas=gammas), dense, rtol=1e-6)
    dense = [np.exp(-g * between**2).sum() for g in gammas]
    np.testing.assert_allclose(pair_sums(x, y, gammas=gammas), dense, rtol=2e-6)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("gammas", [None, np.array([0.3, 0.02])])
def test_forms_equal_dense(sizes: tuple[int, int], gammas: np.ndarray | None):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(sizes[0], 6)), rng.normal(size=(sizes[1], 6))
    wx, wy = rng.poisson(1, size=(sizes[0], 4)), rng.poisson(1, size=(sizes[1], 4))

    def kernel(distance: np.ndarray) -> np.ndarray:
        return distance if gammas is None else np.mean([np.exp(-g * distance**2) for g in gammas], axis=0)

    within, between = kernel(cdist(x, x)), kernel(cdist(x, y))
    np.fill_diagonal(within, 0)
    np.testing.assert_allclose(pair_forms(x, wx, gammas=gammas), np.einsum("ib,ij,jb->b", wx, within, wx), rtol=1e-6)
    np.testing.assert_allclose(
        pair_forms(x, wx, y, wy, gammas=gammas), np.einsum("ib,ij,jb->b", wx, between, wy), rtol=1e-6
    )


def test_close_neighbours_far_from_the_origin_keep_their_distance():
    # in float32, or without centring, these distances would drown in the size of the coordinates
    x = 1000 + np.array([[0.0], [0.001]])
    np.testing.assert_allclose(pair_sums(x, gammas=None), [0.002], rtol=1e-5)


def test_other_sizes_do_not_recompile():
    rng = np.random.default_rng(0)
    gammas = np.array([0.1, 0.2])
    pair_sums(rng.normal(size=(2000, 5)), rng.normal(size=(1500, 5)), gammas=gammas)
    compiled = _pairwise._add_sums._cache_size()  # type: ignore[attr-defined]
    pair_sums(rng.normal(size=(1100, 5)), rng.normal(size=(3001, 5)), gammas=gammas)
    assert _pairwise._add_sums._cache_size() == compiled  # type: ignore[attr-defined]

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import rbf_kernel

from cellot_sc.metrics import median_gammas, mmd, mmd_test

# few feature counts, as each is compiled once; sizes on both sides of a block's edge
SIZES = st.integers(2, 140)
FEATURES = st.sampled_from([1, 3])
SEEDS = st.integers(0, 2**16)
GAMMAS = st.floats(1e-3, 10)
property_test = settings(max_examples=25, deadline=None)


def clouds(m: int, n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, d)), rng.normal(size=(n, d)) * 1.3 + 0.4


def naive(x: np.ndarray, y: np.ndarray, gamma: float, *, unbiased: bool) -> float:
    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.exp(-gamma * ((a[:, None] - b[None]) ** 2).sum(-1))

    xx, yy, m, n = kernel(x, x), kernel(y, y), len(x), len(y)
    between = 2 * kernel(x, y).mean()
    if unbiased:
        return (xx.sum() - np.trace(xx)) / (m * (m - 1)) + (yy.sum() - np.trace(yy)) / (n * (n - 1)) - between
    return xx.mean() + yy.mean() - between


@property_test
@given(m=SIZES, n=SIZES, d=FEATURES, seed=SEEDS, gamma=GAMMAS, unbiased=st.booleans())
def test_equals_naive(m: int, n: int, d: int, seed: int, gamma: float, unbiased: bool):
    x, y = clouds(m, n, d, seed)
    assert mmd(x, y, gamma=gamma, unbiased=unbiased) == pytest.approx(
        naive(x, y, gamma, unbiased=unbiased), rel=1e-5, abs=1e-6
    )


@property_test
@given(m=SIZES, n=SIZES, d=FEATURES, seed=SEEDS, unbiased=st.booleans())
def test_symmetric_and_invariant(m: int, n: int, d: int, seed: int, unbiased: bool):
    x, y = clouds(m, n, d, seed)
    value = mmd(x, y, unbiased=unbiased)
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    assert mmd(y, x, unbiased=unbiased) == pytest.approx(value, abs=1e-7)
    assert mmd(rng.permutation(x), rng.permutation(y), unbiased=unbiased) == pytest.approx(value, abs=1e-7)
    # a translation by far more than the spread: distances must not lose their digits
    assert mmd(x + 1000, y + 1000, unbiased=unbiased) == pytest.approx(value, abs=1e-6)
    assert mmd(x @ rotation, y @ rotation, unbiased=unbiased) == pytest.approx(value, abs=1e-6)


@property_test
@given(m=SIZES, n=SIZES, d=FEATURES, seed=SEEDS, gamma=GAMMAS)
def test_biased_is_never_negative_and_zero_on_itself(m: int, n: int, d: int, seed: int, gamma: float):
    x, y = clouds(m, n, d, seed)
    assert mmd(x, y, gamma=gamma, unbiased=False) > -1e-7
    assert mmd(x, x, gamma=gamma, unbiased=False) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("sizes", [(1500, 1100), (1024, 1025)])
def test_equals_sklearn_over_several_blocks(sizes: tuple[int, int]):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(sizes[0], 20)), rng.normal(size=(sizes[1], 20)) + 0.3
    for gamma in (0.5, 0.05, 0.001):
        expected = rbf_kernel(x, x, gamma).mean() + rbf_kernel(y, y, gamma).mean() - 2 * rbf_kernel(x, y, gamma).mean()
        assert mmd(x, y, gamma=gamma, unbiased=False) == pytest.approx(expected, rel=1e-5)


def test_known_value():
    # kernels: within x and within y exp(-1), between exp(-4), exp(-1), exp(-9), exp(-4)
    x, y = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    expected = 2 * np.exp(-1) - 2 * (2 * np.exp(-4) + np.exp(-1) + np.exp(-9)) / 4
    assert mmd(x, y, gamma=1.0) == pytest.approx(expected, rel=1e-6)


def test_both_within_terms_are_added():
    # spread-out y: subtracting its term, as a version in circulation does, would give a value below zero here
    x, y = np.zeros((10, 1)), np.full((10, 1), 100.0)
    assert mmd(x, y, gamma=1.0) == pytest.approx(2.0)


def test_unbiased_is_zero_on_average():
    rng = np.random.default_rng(0)
    values = [mmd(*rng.normal(size=(2, 40, 3)), gamma=0.2) for _ in range(300)]
    standard_error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * standard_error
    assert min(values) < 0


def test_several_gammas_are_averaged():
    x, y = clouds(30, 50, 3, 0)
    assert mmd(x, y, gamma=[0.1, 1.0]) == pytest.approx((mmd(x, y, gamma=0.1) + mmd(x, y, gamma=1.0)) / 2, abs=1e-9)


def test_median_is_five_gammas_around_the_heuristic():
    x, y = clouds(60, 40, 3, 0)
    z = np.concatenate([x, y])
    d2 = ((z[:, None] - z[None]) ** 2).sum(-1)[np.triu_indices(100, k=1)]
    expected = np.array([0.25, 0.5, 1, 2, 4]) / np.median(d2)
    np.testing.assert_allclose(median_gammas(x, y), expected, rtol=1e-9)
    assert mmd(x, y) == pytest.approx(mmd(x, y, gamma=expected), abs=1e-9)


def test_median_of_many_cells_is_sampled_the_same_way_each_time():
    x, y = clouds(3000, 1000, 3, 0)
    first = median_gammas(x, y)
    np.testing.assert_array_equal(first, median_gammas(x, y))
    np.testing.assert_allclose(first, median_gammas(y, x), rtol=1e-9)
    all_pairs = np.median(((np.vstack([x, y])[::5, None] - np.vstack([x, y])[None, ::5]) ** 2).sum(-1))
    assert first[2] == pytest.approx(1 / all_pairs, rel=0.1)


def test_median_of_identical_cells():
    np.testing.assert_array_equal(median_gammas(np.ones((3, 2)), np.ones((4, 2)))[2], 1.0)
    # most pairs at distance zero: the others decide
    assert median_gammas(np.zeros((9, 1)), np.array([[0.0], [2.0]]))[2] == pytest.approx(0.25)


def test_permutation_test_sees_a_shift_and_no_more():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 60, 4))
    shifted = mmd_test(x, y + 1, n_permutations=199)
    assert shifted.pvalue == pytest.approx(1 / 200)
    assert shifted.statistic == pytest.approx(mmd(x, y + 1), abs=1e-7)
    assert mmd_test(x, y, n_permutations=199).pvalue > 0.05


def test_permutation_pvalues_are_uniform_under_the_null():
    rng = np.random.default_rng(1)
    p = np.array([mmd_test(*rng.normal(size=(2, 30, 3)), n_permutations=99, seed=i).pvalue for i in range(100)])
    assert 0.4 < p.mean() < 0.6
    assert (p <= 0.1).mean() < 0.2


def test_permutation_test_is_reproducible_and_counts_ties():
    x, y = clouds(20, 30, 3, 0)
    assert mmd_test(x, y, n_permutations=300, seed=3) == mmd_test(x, y, n_permutations=300, seed=3)
    # all cells alike: every relabelling ties with the observed one
    assert mmd_test(np.zeros((4, 1)), np.zeros((5, 1)), n_permutations=20).pvalue == 1.0


@pytest.mark.parametrize("gamma", [0, -1.0, np.nan, np.inf, [], [1.0, 0.0], "mean", [[1.0]]])
def test_bad_gamma(gamma: object):
    x, y = clouds(5, 5, 3, 0)
    with pytest.raises(ValueError, match="gamma"):
        mmd(x, y, gamma=gamma)  # type: ignore[arg-type]


def test_no_permutation():
    x, y = clouds(5, 5, 3, 0)
    with pytest.raises(ValueError, match="n_permutations is 0"):
        mmd_test(x, y, n_permutations=0)

from __future__ import annotations

import numpy as np
import pytest

from cellot_sc import metrics
from cellot_sc.metrics._bootstrap import (
    PairBootstrap,
    interval,
    resample_counts,
    unit_draws,
)

GAMMAS = np.array([0.05, 0.2])


def clouds(m: int = 40, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(m, 3)), rng.normal(size=(n, 3)) + 0.5


def test_counts_are_samples_with_replacement():
    counts = resample_counts(30, 500, seed=1)
    assert (counts.sum(axis=0) == 30).all()
    assert counts.mean(axis=1) == pytest.approx(np.ones(30), abs=0.2)
    np.testing.assert_array_equal(counts, resample_counts(30, 500, seed=1))


def test_estimates_are_the_metrics():
    x, y = clouds()
    wx, wy = resample_counts(len(x), 3), resample_counts(len(y), 3)
    assert PairBootstrap(y, wy, gammas=None)(x, wx)[0] == pytest.approx(metrics.energy_distance(x, y), abs=1e-7)
    assert PairBootstrap(y, wy, gammas=GAMMAS)(x, wx)[0] == pytest.approx(metrics.mmd(x, y, gamma=GAMMAS), abs=1e-7)
    assert PairBootstrap(y, wy, gammas=GAMMAS, unbiased=False)(x, wx)[0] == pytest.approx(
        metrics.mmd(x, y, gamma=GAMMAS, unbiased=False), abs=1e-7
    )


def test_resamples_leave_out_pairs_of_one_cell():
    x, y = clouds(6, 5)
    wx, wy = resample_counts(6, 4, seed=1), resample_counts(5, 4, seed=2)
    _, values = PairBootstrap(y, wy, gammas=None)(x, wx)

    def mean_distance(a: np.ndarray, i: np.ndarray, b: np.ndarray, j: np.ndarray, *, within: bool) -> float:
        d = np.linalg.norm(a[i][:, None] - b[j][None], axis=-1)
        return d[i[:, None] != j[None]].mean() if within else d.mean()

    for b in range(4):
        i, j = np.repeat(np.arange(6), wx[:, b]), np.repeat(np.arange(5), wy[:, b])
        expected = (
            2 * mean_distance(x, i, y, j, within=False)
            - mean_distance(x, i, x, i, within=True)
            - mean_distance(y, j, y, j, within=True)
        )
        assert values[b] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("gammas", [None, GAMMAS])
def test_resamples_are_centred_on_the_estimate(gammas: np.ndarray | None, unbiased: bool):
    x, y = clouds()
    wx, wy = resample_counts(len(x), 2000, seed=1), resample_counts(len(y), 2000, seed=2)
    value, resamples = PairBootstrap(y, wy, gammas=gammas, unbiased=unbiased)(x, wx)
    assert abs(resamples.mean() - value) < 4 * resamples.std() / np.sqrt(2000)


def test_intervals_cover_the_truth():
    # the energy distance of two normal distributions, from very many cells
    rng = np.random.default_rng(0)
    truth = metrics.energy_distance(rng.normal(size=(20_000, 2)), rng.normal(size=(20_000, 2)) + 0.7)
    inside = 0
    for seed in range(100):
        rng = np.random.default_rng(seed + 1)
        x, y = rng.normal(size=(80, 2)), rng.normal(size=(80, 2)) + 0.7
        wx, wy = resample_counts(80, 200, seed=rng), resample_counts(80, 200, seed=rng)
        low, high = interval(PairBootstrap(y, wy, gammas=None)(x, wx)[1])
        inside += low <= truth <= high
    assert 88 <= inside <= 99


def test_units_are_drawn_as_wholes():
    units = np.array(["a", "b", "b", "c", "a"])
    counts = unit_draws(units, 300, seed=1)
    for unit in "abc":
        of_unit = counts[units == unit]
        assert (of_unit == of_unit[0]).all()
    assert (counts[[0, 1, 3]].sum(axis=0) == 3).all()
    assert counts.mean() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("gammas", [None, GAMMAS])
def test_resamples_may_differ_in_size(gammas: np.ndarray | None):
    x, y = clouds(7, 6)
    wx = unit_draws(np.array([0, 0, 0, 0, 1, 1, 2]), 5, seed=3)
    wy = unit_draws(np.array([0, 0, 1, 1, 1, 2]), 5, seed=4)
    _, values = PairBootstrap(y, wy, gammas=gammas)(x, wx)

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        d = np.linalg.norm(a[:, None] - b[None], axis=-1)
        return d if gammas is None else -np.mean([np.exp(-g * d**2) for g in gammas], axis=0)

    for b in range(5):
        i, j = np.repeat(np.arange(7), wx[:, b]), np.repeat(np.arange(6), wy[:, b])
        within = [kernel(c[k], c[k])[k[:, None] != k[None]].mean() for c, k in ((x, i), (y, j))]
        assert values[b] == pytest.approx(2 * kernel(x[i], y[j]).mean() - sum(within), rel=1e-5, abs=1e-7)


def test_resamples_without_two_cells_are_unknown():
    x, y = clouds(4, 4)
    counts = np.ones((4, 3), dtype=np.int64)
    counts[:, 0], counts[1:, 2] = 0, 0
    _, values = PairBootstrap(y, counts, gammas=None)(x, counts)
    np.testing.assert_array_equal(np.isnan(values), [True, False, True])


def test_interval():
    assert interval(np.arange(101.0), level=0.9) == pytest.approx((5, 95))
    assert interval(np.array([1.0, np.nan, 1.0])) == (1.0, 1.0)
    assert np.isnan(interval(np.full(3, np.nan))).all()

from __future__ import annotations

import numpy as np
import pytest

from cellot_sc.tl._effects.dose_scatter import Scatter

DOSES, REPLICATES = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)


def test_the_scatter_of_replicates_is_that_of_means() -> None:
    rng = np.random.default_rng(0)
    found = Scatter(rng.normal(size=(12, 2000)), DOSES, np.arange(12))
    assert found.mean.shape == (4, 2000) and found.df == 8
    assert abs(found.variance.mean() - 1 / 3) < 0.02


def test_what_sets_replicates_apart_at_all_doses_is_no_scatter() -> None:
    rng = np.random.default_rng(0)
    apart = 10 * rng.normal(size=(3, 500))[REPLICATES]
    found = Scatter(rng.normal(size=(12, 500)) + apart, DOSES, REPLICATES)
    assert found.df == 6
    assert abs(found.variance.mean() - 1 / 3) < 0.03


def test_without_replicates_only_curves_say_how_certain_means_are() -> None:
    found = Scatter(np.eye(4), np.arange(4), np.zeros(4, dtype=int))
    assert found.df == 0 and not found.variance.any()
    variance, df = found.around(np.full(4, 6.0), 3)
    assert (variance == 2).all() and (df == 3).all()
    variance, df = found.around(np.full(4, 6.0), 0)
    assert np.isinf(variance).all() and (df == 1).all()


def test_replicates_count_where_doses_scatter_as_they_do() -> None:
    wells = np.tile(np.sqrt([[3], [0], [3]]) * [[-1], [0], [1]], (6, 2))
    both = Scatter(wells, np.repeat(np.arange(6), 3), np.arange(18))
    np.testing.assert_allclose(both.variance, 1)
    variance, df = both.around(np.array([2.0, 40.0]), 2)
    np.testing.assert_allclose(variance, [1.0, 20.0])
    assert df.tolist() == [14, 2]


@pytest.mark.parametrize(
    ("replicates", "df"),
    [(REPLICATES, 4), (np.arange(12), 6), (np.where(DOSES == 2, 3, 0) + REPLICATES, 4)],
    ids=["crossed", "not crossed", "crossed without it"],
)
def test_wells_of_a_dose_left_out_say_nothing(replicates: np.ndarray, df: int) -> None:
    rng = np.random.default_rng(0)
    wells = rng.normal(size=(12, 50)) + rng.normal(size=(6, 50))[REPLICATES]
    changed = wells + 100 * rng.normal(size=wells.shape) * (DOSES == 2)[:, None]
    left, other = (Scatter(each, DOSES, replicates).without(2) for each in (wells, changed))
    np.testing.assert_array_equal(left.mean, other.mean)
    np.testing.assert_array_equal(left.variance, other.variance)
    assert left.df == other.df == df
    assert left.mean.shape == (3, 50)


def test_some_of_the_features() -> None:
    rng = np.random.default_rng(0)
    every = Scatter(rng.normal(size=(12, 5)), DOSES, REPLICATES)
    some = every.of(np.array([3, 1]))
    np.testing.assert_allclose(some.mean, every.mean[:, [3, 1]])
    np.testing.assert_allclose(some.variance, every.variance[[3, 1]])
    assert some.df == every.df

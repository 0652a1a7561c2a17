from __future__ import annotations

import numpy as np

from cellot_sc.tl._effects.dose_scatter import Scatter, scatter

DOSES, REPLICATES = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)


def test_the_scatter_of_replicates_is_that_of_means() -> None:
    rng = np.random.default_rng(0)
    found = scatter(rng.normal(size=(12, 2000)), DOSES, np.arange(12))
    assert found.mean.shape == (4, 2000) and found.df == 8
    assert abs(found.variance.mean() - 1 / 3) < 0.02


def test_what_sets_replicates_apart_at_all_doses_is_no_scatter() -> None:
    rng = np.random.default_rng(0)
    apart = 10 * rng.normal(size=(3, 500))[REPLICATES]
    found = scatter(rng.normal(size=(12, 500)) + apart, DOSES, REPLICATES)
    assert found.df == 6
    assert abs(found.variance.mean() - 1 / 3) < 0.03


def test_without_replicates_only_curves_say_how_certain_means_are() -> None:
    found = scatter(np.eye(4), np.arange(4), np.zeros(4, dtype=int))
    assert found.df == 0 and not found.variance.any()
    variance, df = found.around(np.full(4, 6.0), 3)
    assert (variance == 2).all() and (df == 3).all()
    variance, df = found.around(np.full(4, 6.0), 0)
    assert np.isinf(variance).all() and (df == 1).all()


def test_replicates_count_where_doses_scatter_as_they_do() -> None:
    both = Scatter(np.zeros((6, 2)), np.array([1.0, 1.0]), 12)
    variance, df = both.around(np.array([2.0, 40.0]), 2)
    np.testing.assert_allclose(variance, [1.0, 20.0])
    assert df.tolist() == [14, 2]

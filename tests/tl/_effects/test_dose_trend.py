from __future__ import annotations

import numpy as np
import pytest

from cellot_sc.tl._effects.dose_isotonic import isotonic
from cellot_sc.tl._effects.dose_scatter import Scatter
from cellot_sc.tl._effects.dose_trend import can_tell, displacement_pvalue, level_chances, trend_pvalues


def test_chances_of_levels_are_those_of_simulated_means() -> None:
    assert level_chances(3) == pytest.approx((0, 1 / 3, 1 / 2, 1 / 6))
    steps = isotonic(np.random.default_rng(0).normal(size=(5, 4000)))
    rising = steps[:, steps[-1] > steps[0]]
    assert sum(level_chances(5)) == pytest.approx(1)
    assert np.mean((np.diff(rising, axis=0) != 0).all(axis=0)) == pytest.approx(2 / 120, abs=0.01)


@pytest.mark.parametrize(("n_doses", "n_replicates"), [(5, 2), (7, 1), (7, 3)])
def test_inert_features_are_called_as_often_as_the_level_says(n_doses: int, n_replicates: int) -> None:
    rng = np.random.default_rng(0)
    doses, replicates = np.repeat(np.arange(n_doses), n_replicates), np.tile(np.arange(n_replicates), n_doses)
    still = Scatter(rng.normal(size=(len(doses), 2000)), doses, replicates)
    assert 0.02 < np.mean(trend_pvalues(still, isotonic(still.mean)) < 0.05) < 0.065
    moving = Scatter(rng.normal(size=(len(doses), 200)) + 4 * doses[:, None], doses, replicates)
    assert (trend_pvalues(moving, isotonic(moving.mean)) < 0.01).mean() > 0.9


def test_few_doses_without_replicates_cannot_tell() -> None:
    assert not can_tell(Scatter(np.zeros((4, 1)), np.arange(4), np.zeros(4, dtype=int)))
    assert can_tell(Scatter(np.zeros((8, 1)), np.repeat(np.arange(4), 2), np.arange(8)))
    assert can_tell(Scatter(np.zeros((5, 1)), np.arange(5), np.zeros(5, dtype=int)))


def test_one_pvalue_for_all_dimensions() -> None:
    rng, at = np.random.default_rng(0), np.arange(6.0)

    def pvalue(effect: float) -> float:
        mean = rng.normal(size=(6, 8)) + effect * at[:, None] * (np.arange(8) < 2)
        return float(displacement_pvalue(Scatter(mean, np.arange(6), np.zeros(6, dtype=int)), isotonic(mean), at)[0])

    assert np.mean([pvalue(0) < 0.05 for _ in range(200)]) < 0.08
    assert np.mean([pvalue(5) < 0.05 for _ in range(20)]) > 0.9

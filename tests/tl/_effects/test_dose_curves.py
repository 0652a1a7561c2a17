from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cellot_sc.tl._effects.dose_curves import AT_LEAST, EXACT, UNKNOWN, Curves
from cellot_sc.tl._effects.dose_scatter import Scatter

N_REPLICATES = 3


def simulated(n_doses: int, *, shared: bool = False, top: float = 1.0) -> tuple[np.ndarray, Curves]:
    """Return true EC50s in decades, and 200 curves through the means of 500 cells per dose and replicate."""
    rng = np.random.default_rng([n_doses, shared])
    doses = np.concatenate([[0], 10 ** (0.5 * np.arange(n_doses))])
    halfway, slope = rng.uniform(np.log10(doses[2]), np.log10(doses[-2]), 200), rng.uniform(0.7, 2.5, 200)
    with np.errstate(divide="ignore"):
        truth = top / (1 + (10**halfway / doses[:, None]) ** slope)
    wells = truth[:, None] + rng.normal(0, 0.05, (len(doses), 1 if shared else N_REPLICATES, 200))
    wells = wells + rng.normal(0, 0.5 / np.sqrt(500), (len(doses), N_REPLICATES, 200))
    codes = np.repeat(np.arange(len(doses)), N_REPLICATES), np.tile(np.arange(N_REPLICATES), len(doses))
    return halfway, Curves(doses, Scatter(wells.reshape(-1, 200), *codes), 1.0)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("n_doses", [6, 8])
def test_ec50s_of_hill_curves_are_found_with_intervals_that_hold(n_doses: int, shared: bool) -> None:
    truth, curves = simulated(n_doses, shared=shared)
    value, low, high, _ = curves.halfway()
    assert np.nanmedian(np.abs(10 ** (value - truth) - 1)) < 0.2
    assert 0.85 <= np.mean((low <= truth) & (truth <= high)) <= 0.95
    assert (curves.pvalues() < 0.05).all()
    assert curves.is_hill.mean() > 0.8


@pytest.mark.parametrize("off", [0.005, 0.01])
def test_they_hold_however_little_means_scatter(off: float) -> None:
    rng, doses = np.random.default_rng(1), np.array([0, 0.1, 0.3, 1, 3])
    halfway, slope = rng.uniform(-0.7, 0.2, 400), rng.uniform(1, 3, 400)
    with np.errstate(divide="ignore"):
        truth = 1 / (1 + (10**halfway / doses[:, None]) ** slope)
    codes = np.repeat(np.arange(5), 2), np.tile(np.arange(2), 5)
    wells = truth[codes[0]] + rng.normal(0, off, (10, 400))
    _, low, high, _ = Curves(doses, Scatter(wells, *codes), 0.1).halfway()
    assert 0.85 <= np.mean((low <= halfway) & (halfway <= high)) <= 0.95


def test_inert_features_are_flat() -> None:
    _, curves = simulated(6, top=0)
    assert np.mean(curves.pvalues() < 0.05) < 0.08
    assert (stats.false_discovery_control(curves.pvalues()) > 0.05).all()


def of(mean: list[float], doses: list[float]) -> Curves:
    alone = Scatter(np.array(mean)[:, None], np.arange(len(mean)), np.zeros(len(mean), dtype=int))
    return Curves(np.array(doses), alone, min(dose for dose in doses if dose))


def test_a_top_that_was_not_reached_makes_a_bound() -> None:
    value, low, high, bound = of([0.01, 0, 0, 0.01, 0.04, 0.15, 0.5], [0, 1, 3, 10, 30, 100, 300]).halfway()
    assert bound[0] == AT_LEAST and np.isposinf(high[0]) and value[0] == low[0] > np.log10(30)
    assert of([0, 0, 0.02, 0.1, 0.5, 0.9, 1.0], [0, 1, 3, 10, 30, 100, 300]).halfway().bound[0] == EXACT
    assert of([0, 1, 0, 1, 0, 1, 0], [0, 1, 3, 10, 30, 100, 300]).halfway().bound[0] == UNKNOWN


def test_few_doses_have_a_monotone_curve() -> None:
    wells = np.repeat([[0], [0.1], [0.9], [1]], 2, axis=0) + np.tile([[-0.03], [0.03]], (4, 1))
    curves = Curves(np.array([1, 10, 100, 1000]), Scatter(wells, np.repeat(np.arange(4), 2), np.arange(8)), 1.0)
    assert not curves.is_hill[0]
    assert 1 < curves.halfway().value[0] < 2
    np.testing.assert_allclose(curves.values(np.array([1.0, 100.0, 1e4]))[:, 0], [0, 0.9, 1])


def test_the_part_of_the_way_is_better_than_that_of_a_straight_line() -> None:
    doses, errors = np.concatenate([[0], 10 ** (0.5 * np.arange(7))]), []
    for halfway in (8, 15, 40):
        with np.errstate(divide="ignore"):
            truth = 1 / (1 + (halfway / doses) ** 2)
        for i in range(1, 7):
            left = of(np.delete(truth, i).tolist(), np.delete(doses, i).tolist())
            before, after, part = left.parts(doses[i])
            ends = left.scatter.mean[[before, after], 0]
            line = (left.decades(doses[[i]])[0] - left.at[before]) / (left.at[after] - left.at[before])
            errors.append([abs(ends[0] + s * np.diff(ends)[0] - truth[i]) for s in (part[0], line)])
    assert np.less(*np.mean(errors, axis=0))


def test_dose_0_stays_where_it_is_if_the_lowest_other_is_left_out() -> None:
    curves = of([0, 0.5, 1, 1.5], [0, 1, 10, 100])
    left = curves.without(1)
    assert left.at.tolist() == curves.at[[0, 2, 3]].tolist() == [-1, 1, 2]
    before, after, part = left.parts(1.0)
    assert (before, after) == (0, 1) and part[0] == pytest.approx(0.5, abs=0.05)


def test_intervals_of_means_hold_at_doses_left_out() -> None:
    rng, doses, held = np.random.default_rng(0), np.concatenate([[0], 10 ** (0.5 * np.arange(8))]), []
    with np.errstate(divide="ignore"):
        truth = 1 / (1 + (30 / doses[:, None]) ** rng.uniform(0.8, 2, 100))
    mean = truth + rng.normal(0, 0.05, truth.shape)
    curves = Curves(doses, Scatter(mean, np.arange(9), np.zeros(9, dtype=int)), 1.0)
    for i in range(1, 8):
        low, high = curves.without(i).interval(doses[i])
        held.append((low <= mean[i]) & (mean[i] <= high))
    assert 0.87 < np.mean(held) < 0.99
    low, high = curves.interval(1e9)
    assert np.isnan(low).all() and np.isnan(high).all()
    low, high = of([0.0, 1.0], [1, 10]).interval(3)
    assert np.isneginf(low).all() and np.isposinf(high).all()

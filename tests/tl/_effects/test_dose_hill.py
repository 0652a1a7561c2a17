from __future__ import annotations

import numpy as np
from scipy.optimize import curve_fit

from cellot_sc.tl._effects.dose_hill import Hill, positions

DOSES = np.concatenate([[0], 10 ** (0.5 * np.arange(7))])


def curve(dose: np.ndarray, halfway: float, slope: float, bottom: float, rise: float) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return bottom + rise / (1 + (halfway / dose) ** slope)


def test_curves_without_noise_are_found() -> None:
    truth = [(5.0, 0.8, 1.0, 2.0), (30.0, 1.5, 0.0, -1.0), (100.0, 3.0, -2.0, 0.5)]
    hill = Hill(DOSES, np.stack([curve(DOSES, *each) for each in truth], axis=1))
    np.testing.assert_allclose(10**hill.ec50, [5, 30, 100], rtol=0.06)
    np.testing.assert_allclose(hill.slope, [0.8, 1.5, 3.0], rtol=0.2)
    np.testing.assert_allclose(hill.lines[1], [2, -1, 0.5], rtol=0.06)
    between = np.array([2.0, 20.0])
    wanted = np.stack([curve(between, *each) for each in truth], axis=1)
    np.testing.assert_allclose(hill.at(between), wanted, atol=0.05)


def test_they_are_as_near_as_those_of_scipy() -> None:
    mean = curve(DOSES, 12.0, 1.2, 0.5, 1.0) + np.random.default_rng(0).normal(0, 0.05, len(DOSES))
    fitted, _ = curve_fit(curve, DOSES, mean, p0=(10, 1, 0.5, 1), bounds=([0.1, 0.3, -9, -9], [1e4, 6, 9, 9]))
    hill = Hill(DOSES, mean[:, None])
    best = np.square(curve(DOSES, *fitted) - mean).sum()
    assert best <= hill.residual[0] <= 1.1 * best
    assert abs(10 ** hill.ec50[0] / fitted[0] - 1) < 0.03


def test_the_interval_is_open_where_the_top_was_not_reached() -> None:
    truth = np.stack([curve(DOSES, 30.0, 1.5, 0.0, 1.0), curve(DOSES, 1e6, 1.0, 0.0, 1e3)], axis=1)
    hill = Hill(DOSES, truth)
    low, high = hill.within(hill.residual + 0.01 * truth.var(axis=0))
    assert low[0] < np.log10(30) < high[0] < 2
    assert np.isposinf(high[1]) and low[1] > 2


def test_dose_0_stands_at_a_tenth_of_the_lowest_other() -> None:
    np.testing.assert_allclose(positions(np.array([0, 2.0, 20.0]), 2.0), np.log10([0.2, 2, 20]))

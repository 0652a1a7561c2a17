from __future__ import annotations

import numpy as np
import pytest

from cellot_sc.tl._courses import out_of_step

RANKS = (np.arange(2000) + 0.5) / 2000


@pytest.mark.parametrize("spread", [1e-9, 0.01, 0.25, 0.75, 0.999, 1 - 1e-15])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_mean_and_spread_are_as_asked(share: float, spread: float) -> None:
    own = out_of_step.fractions(RANKS, share, spread)
    assert own.min() >= 0
    assert own.max() <= 1
    assert own.mean() == pytest.approx(share, abs=2e-3)
    assert own.std() == pytest.approx(spread * np.sqrt(share * (1 - share)), abs=5e-3)


def test_ends() -> None:
    np.testing.assert_array_equal(out_of_step.fractions(RANKS, 0.3, 0), 0.3)
    gone = out_of_step.fractions(RANKS, 0.3, 1)
    assert set(gone) == {0, 1}
    assert gone.mean() == pytest.approx(0.3)
    for share in (0, 1):
        np.testing.assert_array_equal(out_of_step.fractions(RANKS, share, 0.5), share)


@pytest.mark.parametrize("spread", [0.3, 0.9, 1])
def test_no_cell_goes_back(spread: float) -> None:
    own = np.stack([out_of_step.fractions(RANKS, share, spread) for share in np.linspace(0, 1, 21)])
    assert np.diff(own, axis=0).min() >= -1e-9


def test_ranks_of_a_time_are_uniform_and_those_of_two_times_follow_each_other() -> None:
    taken = np.array([0, 1, 1, 2, 0, 2, 1, -1])
    apart = out_of_step.ranks(taken, [], 0)
    np.testing.assert_allclose(np.sort(apart[taken == 1]), [1 / 6, 1 / 2, 5 / 6])
    both = out_of_step.ranks(taken, [0, 1], 0)
    np.testing.assert_allclose(np.sort(both[taken == 0]), [0.1, 0.3])
    np.testing.assert_allclose(np.sort(both[taken == 1]), [0.5, 0.7, 0.9])
    np.testing.assert_array_equal(out_of_step.ranks(taken, [0, 1], 0), both)
    many = np.zeros(50, dtype=int)
    assert not np.array_equal(out_of_step.ranks(many, [], 0), out_of_step.ranks(many, [], 1))

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats

from cellot_sc import metrics
from cellot_sc.metrics._units import N_EXCHANGES, Units, exchange_pvalue, units


def paired(n: int, n_cells: int = 3) -> Units:
    """Return units with some cells of both conditions."""
    return units(np.tile(np.repeat(np.arange(n), n_cells), 2).astype(str), np.repeat([False, True], n * n_cells))


def nested(n_control: int, n_treated: int, n_cells: int = 3) -> Units:
    """Return units with some cells of one condition each."""
    names = np.repeat(np.arange(n_control + n_treated), n_cells).astype(str)
    return units(names, np.repeat([False, True], [n_control * n_cells, n_treated * n_cells]))


def test_units_that_have_both_are_paired():
    labels = np.array(["a", "a", "b", "b", "c", "", "d"])
    found = units(labels, np.array([False, True, False, True, True, False, False]))
    assert found.paired and found.n_units == 2 and found.df == 1
    # one condition only, or no unit
    assert found.codes.tolist() == [0, 0, 1, 1, -1, -1, -1]
    assert str(found) == "2 paired"


def test_units_with_too_few_cells_do_not_count():
    labels, treated = np.repeat(["a", "b", "c"], [5, 2, 5]), np.repeat([False, False, True], [5, 2, 5])
    found = units(labels, treated, least=3)
    assert (found.n_control, found.n_treated, found.paired) == (1, 1, False)
    assert set(found.names) == {"a", "c"} and found.df == 0
    assert str(units(labels, treated)) == "2 control and 1 treated"


def test_same_units_among_other_cells():
    found = nested(2, 2)
    others = found.among(np.array(["3", "x", "0"]), np.array([True, True, False]))
    assert others.codes.tolist() == [3, -1, 0]


@pytest.mark.parametrize(
    ("members", "n"),
    [(paired(3), 4), (paired(8), 128), (nested(4, 4), 35), (nested(2, 3), 10), (paired(1), 1), (nested(1, 1), 1)],
)
def test_all_exchanges(members: Units, n: int):
    flips = members.exchanges(seed=0)
    assert flips.shape == (n, members.n_units) == (members.n_exchanges, members.n_units)
    assert not flips[0].any() and len(np.unique(flips, axis=0)) == n
    assert members.p_min == pytest.approx(1 / n)
    # as many units of either condition as there were
    treated = np.array([len(set(members.codes[members.after(flip)])) for flip in flips])
    np.testing.assert_array_equal(treated, members.n_treated)
    # none is another one with the sides exchanged
    sides = np.array([members.after(flip) for flip in flips])
    assert not any((~side == sides).all(axis=1).any() for side in sides)


def test_some_exchanges_where_there_are_too_many():
    for members in (paired(12), nested(6, 6)):
        flips = members.exchanges(seed=0)
        assert len(flips) == N_EXCHANGES and not flips[0].any()
        assert members.p_min == 1 / N_EXCHANGES
        assert not np.array_equal(flips, members.exchanges(seed=1))
    assert nested(6, 6).n_exchanges == math.comb(12, 6) // 2


def test_paired_contrast_is_the_paired_t_test():
    members, x = paired(5, 4), np.random.default_rng(0).normal(size=(40, 6))
    contrast = members.contrast(x)
    means = x.reshape(2, 5, 4, 6).mean(axis=2)
    expected = stats.ttest_rel(means[1], means[0])
    np.testing.assert_allclose(contrast.effect / np.sqrt(contrast.variance), expected.statistic)
    np.testing.assert_allclose(members.contrast(sp.csr_matrix(x)).effect, contrast.effect)


def test_nested_contrast_is_students_t_test():
    members, x = nested(4, 3, 5), np.random.default_rng(0).normal(size=(35, 6))
    contrast = members.contrast(x)
    means = x.reshape(7, 5, 6).mean(axis=1)
    expected = stats.ttest_ind(means[4:], means[:4])
    np.testing.assert_allclose(contrast.effect / np.sqrt(contrast.variance), expected.statistic)
    assert contrast.df == 5
    assert contrast.pvalues().shape == (6,)


def test_energies_are_those_of_the_exchanged_cells():
    members, x = nested(3, 3, 20), np.random.default_rng(0).normal(size=(120, 2))
    flips = members.exchanges(seed=0)
    energies = members.energies(x, flips, seed=0)
    for flip, energy in zip(flips[:4], energies, strict=False):
        treated = members.after(flip)
        # every unit has as many cells, and pairs within units count as one pair of units
        assert energy == pytest.approx(metrics.energy_distance(x[treated], x[~treated]), abs=0.02)
    np.testing.assert_array_equal(energies, members.energies(x, flips, seed=1))


def test_energy_tells_conditions_but_not_donors():
    rng = np.random.default_rng(0)
    members = paired(8, 20)
    for shift in (0.0, 2.0):
        pvalues = []
        for _ in range(100):
            donors = rng.normal(size=(2, 8, 1, 2)) * 0.5
            x = (donors + rng.normal(size=(2, 8, 20, 2))).reshape(-1, 2) + shift * members.treated[:, None]
            flips = members.exchanges(seed=0)
            pvalues.append(exchange_pvalue(members.energies(x, flips, seed=0)))
        below = np.mean(np.array(pvalues) < 0.05)
        assert below <= 0.12 if shift == 0 else below > 0.95


def test_exchange_pvalue():
    assert exchange_pvalue(np.array([3.0, 1.0, 2.0, 0.0])) == 0.25
    assert exchange_pvalue(np.array([1.0, 1.0 + 1e-14, 2.0, 0.0])) == 0.75

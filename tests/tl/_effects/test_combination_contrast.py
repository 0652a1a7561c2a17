from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cellot_sc.tl._effects.combination_contrast import CONDITIONS, cell_means, satterthwaite, unit_means

RNG = np.random.default_rng(0)
CELLS = {name: RNG.normal(i, 1 + i, (40 + 10 * i, 12)) for i, name in enumerate(CONDITIONS)}
DIFFERENCE = {"both": 1.0, "control": -1.0}


def units_of(*names: str) -> dict[str, np.ndarray]:
    """Return four units of each condition of which the names are given, the others being of one that has few cells."""
    return {
        one: np.array([f"u{i % 4}" if one in names else "few" for i in range(len(CELLS[one]))]) for one in CONDITIONS
    }


def test_of_cells_it_is_welch() -> None:
    found = cell_means(CELLS).estimate(DIFFERENCE)
    wanted = stats.ttest_ind(CELLS["both"], CELLS["control"], equal_var=False)
    np.testing.assert_allclose(found.effect, CELLS["both"].mean(axis=0) - CELLS["control"].mean(axis=0))
    np.testing.assert_allclose(found.df, wanted.df)
    np.testing.assert_allclose(found.effect / np.sqrt(found.variance), wanted.statistic)


def test_too_few_cells() -> None:
    means = cell_means(CELLS | {"a": CELLS["a"][:9]})
    assert means.why_untested == "9 a cells, 10 are needed" and means.n_units == 0
    assert np.isnan(means.estimate(DIFFERENCE).variance).all()
    assert np.isfinite(means.estimate(DIFFERENCE).effect).all()


def test_units_with_all_conditions_are_paired() -> None:
    labels = units_of(*CONDITIONS)
    means = unit_means(CELLS, labels)
    assert means.paired and means.n_units == 4 and not means.why_untested
    weights = {"both": 1.0, "a": -1.0, "b": -1.0, "control": 1.0}
    own = np.stack([sum(w * CELLS[c][labels[c] == f"u{i}"].mean(axis=0) for c, w in weights.items()) for i in range(4)])
    found = means.estimate(weights)
    np.testing.assert_allclose(found.effect, own.mean(axis=0))
    # variances are shrunk towards each other
    plain = own.var(axis=0, ddof=1) / 4
    assert plain.min() <= found.variance.min() and found.variance.max() <= plain.max()
    assert (found.df > 3).all()


def test_a_level_of_each_unit_does_not_matter_where_it_is_paired() -> None:
    labels = units_of(*CONDITIONS)
    shifted = {name: x + 100 * np.array([int(unit[1]) for unit in labels[name]])[:, None] for name, x in CELLS.items()}
    for before, after in zip(
        *(unit_means(cells, labels).estimate(DIFFERENCE) for cells in (CELLS, shifted)), strict=True
    ):
        np.testing.assert_allclose(after, before, rtol=1e-6)


def test_units_of_one_condition_each() -> None:
    labels = {name: np.char.add(of, name) for name, of in units_of(*CONDITIONS).items()}
    means = unit_means(CELLS, labels)
    assert not means.paired and means.n_units == 16
    one = {name: x[:, :1] for name, x in CELLS.items()}
    found = unit_means(one, labels).estimate(DIFFERENCE)
    averaged = {name: [x[labels[name] == u].mean() for u in np.unique(labels[name])] for name, x in one.items()}
    pooled = np.mean([np.var(of, ddof=1) for of in averaged.values()])
    np.testing.assert_allclose(found.variance, pooled * (1 / 4 + 1 / 4))
    assert found.df.tolist() == [12]


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (units_of(), "units have some of the four conditions, none has all|1 units with all four"),
        (units_of("both", "control"), "units have some of the four conditions, none has all"),
        ({name: np.full(len(x), name) for name, x in CELLS.items()}, "4 units for four conditions, 6 are needed"),
        ({name: np.full(len(x), "") for name, x in CELLS.items()}, "no unit has 10 cells of control or a or b or both"),
    ],
)
def test_what_units_cannot_tell(labels: dict[str, np.ndarray], why: str) -> None:
    means = unit_means(CELLS, labels)
    assert means.why_untested in why.split("|") or means.why_untested.startswith(why.split("|")[-1])
    found = means.estimate(DIFFERENCE)
    assert np.isfinite(found.effect).all() and np.isnan(found.variance).all() and np.isnan(found.df).all()


def test_degrees_of_freedom() -> None:
    total, df = satterthwaite([(np.array([1.0, 2.0, 0.0]), 4), (np.array([1.0, 0.0, 0.0]), 4)])
    np.testing.assert_allclose(total, [2, 2, 0])
    np.testing.assert_allclose(df, [8, 4, np.inf])

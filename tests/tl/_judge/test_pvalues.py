from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from anndata import AnnData
from scipy import stats

import cellot_sc as cs
from cellot_sc.tl._judge.clouds import Cloud, GroupClouds
from cellot_sc.tl._judge.pvalues import unit_tests

ALPHA = 0.05


def clouds(
    rng: np.random.Generator, *, paired: bool, effect: float, n_units: int = 8, n_cells: int = 15
) -> GroupClouds:
    """Return cells of units that differ, a true and a false prediction, and no effect; each unit responds by itself."""
    at_rest, response = (rng.normal(size=(n_units, 1, 2)) * spread for spread in (1.0, 0.4))
    others = at_rest if paired else rng.normal(size=(n_units, 1, 2))
    noise = rng.normal(size=(2, n_units, n_cells, 2)) * 0.5
    control = (at_rest + noise[0]).reshape(-1, 2)
    observed = (others + response * paired + effect + noise[1]).reshape(-1, 2)

    names = np.repeat(np.arange(2 * n_units), n_cells).reshape(2, -1)

    def cloud(cells: np.ndarray, units: np.ndarray) -> Cloud:
        return Cloud(cells, np.ones((len(cells), 0), dtype=np.int64), units)

    return GroupClouds(
        cloud(control, names[0]),
        cloud(observed, names[0] if paired else names[1]),
        {name: cloud(control + shift, names[0]) for name, shift in (("identity", 0.0), ("true", effect))},
        None,
        [],
        {},
        [],
    )


@pytest.mark.parametrize("paired", [True, False])
def test_without_an_effect_few_reject(paired: bool) -> None:
    rng, n = np.random.default_rng(0), 200
    found = [unit_tests(clouds(rng, paired=paired, effect=0.0), seed=0)["identity"] for _ in range(n)]
    assert {test.n_units for test in found} == {8 if paired else 16}
    assert {test.p_min for test in found} == {1 / 128}
    rejected = sum(test.pvalue < ALPHA for test in found)
    assert 0 < rejected <= stats.binom.isf(0.01, n, ALPHA)
    # cells are no replicates
    if not paired:
        drawn = [clouds(rng, paired=paired, effect=0.0) for _ in range(50)]
        of_cells = np.array([stats.ttest_ind(one.control.cells, one.observed.cells).pvalue[0] for one in drawn])
        assert (of_cells < ALPHA).mean() > 0.5


@pytest.mark.parametrize("paired", [True, False])
def test_an_effect_is_told_and_what_predicts_it_is_not(paired: bool) -> None:
    rng, n = np.random.default_rng(1), 60
    found = [unit_tests(clouds(rng, paired=paired, effect=2.0), seed=0) for _ in range(n)]
    assert sum(tests["identity"].pvalue < ALPHA for tests in found) > 0.95 * n
    assert sum(tests["true"].pvalue < ALPHA for tests in found) <= stats.binom.isf(0.01, n, ALPHA)


def test_few_units_cannot_tell() -> None:
    for paired, n_units, p_min in ((True, 5, 1 / 16), (False, 3, 1 / 10), (True, 1, 1.0)):
        cells = clouds(np.random.default_rng(0), paired=paired, effect=5.0, n_units=n_units)
        [test, _] = unit_tests(cells, seed=0).values()
        assert np.isnan(test.pvalue) and test.p_min == p_min
        assert test.n_units == (n_units if paired else 2 * n_units)
    cells = clouds(np.random.default_rng(0), paired=False, effect=5.0, n_units=4)
    assert unit_tests(cells, seed=0)["identity"].pvalue == pytest.approx(1 / 35)
    # too few cells make no unit
    cells = clouds(np.random.default_rng(0), paired=True, effect=5.0, n_cells=9)
    assert unit_tests(cells, seed=0)["identity"].n_units == 0


def test_single_cells_are_not_tested() -> None:
    cells = clouds(np.random.default_rng(0), paired=True, effect=0.0)
    assert unit_tests(cells._replace(observed=cells.observed._replace(units=None)), seed=0) == {}


def test_given_cells_are_of_units_of_their_own() -> None:
    cells = clouds(np.random.default_rng(0), paired=True, effect=2.0)
    alike, unknown = cells.predictions["true"].rows(slice(None)), cells.predictions["true"]._replace(units=None)
    few = alike.rows(np.arange(60))
    tests = unit_tests(cells._replace(given={"alike": alike, "unknown": unknown, "few": few}), seed=0)
    assert tests["alike"] == tests["true"]
    assert set(tests) == {"identity", "true", "alike", "few"}
    # four of the eight units, which exchange in 8 ways
    assert (tests["few"].n_units, tests["few"].p_min) == (4, 1 / 8)


@pytest.fixture(scope="module")
def donors() -> AnnData:
    """Eight donors who differ in how they respond; the second drug is inert."""
    adata = cs.datasets.simulate(2400, 40, n_cell_types=2, n_patients=8, patient_noise=0.3, seed=3)
    cs.pp.split(adata, test_fraction=0.5, stratify_by="patient")
    cs.pp.represent(adata, n_components=5)
    cs.tl.cellot(adata, solver="mean_shift")
    return adata


def test_of_the_energy_distance_in_all_cells_and_in_groups(donors: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    options: Any = {"groupby": "cell_type", "unit": "patient", "baselines": "gaussian", "n_boot": 0}
    table = cs.tl.evaluate(donors, metrics=["energy_distance", "l2_means"], **options)
    tested = (table["metric"] == "energy_distance") & (table["model"] != "observed")
    tested &= ~table["group"].isin(["equal", "mean", "worst"])
    of_units = table[["pvalue", "n_units", "p_min"]]
    assert of_units[tested].notna().all(axis=None) and of_units[~tested].isna().all(axis=None)
    rows = table[tested].set_index(["perturbation", "model", "group"])
    assert (rows.xs("all", level="group")["n_units"] == 8).all() and (rows["p_min"] == 1 / 128).all()
    pvalues: Any = rows["pvalue"].to_dict()
    assert pvalues["drug_a", "identity", "all"] == 1 / 128
    assert min(pvalues["drug_b", model, "all"] for model in ("identity", "mean_shift")) > ALPHA
    assert "cannot tell" not in caplog.text
    assert "pvalue" not in cs.tl.summarize_scores(table)
    other = cs.tl.evaluate(donors, metrics="l2_means", **options)
    assert other["p_min"].isna().all()


def test_one_line_says_that_few_units_cannot_tell(donors: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    few = donors[donors.obs["patient"].isin(["patient_0", "patient_1", "patient_2"])].copy()
    with caplog.at_level(logging.WARNING):
        table = cs.tl.evaluate(few, metrics="energy_distance", unit="patient", baselines="gaussian", n_boot=0)
    rows = table[(table["metric"] == "energy_distance") & (table["model"] != "observed")]
    assert rows["pvalue"].isna().all() and (rows["p_min"] == 0.25).all() and (rows["n_units"] == 3).all()
    [line] = [record.message for record in caplog.records if "cannot tell" in record.message]
    assert line.startswith("3 units of obs['patient'] cannot tell predicted from observed cells: no p-value could be")
    assert "below 0.25, and those of 2 of 2 comparisons are missing" in line


def test_animals_of_one_condition_are_exchanged_with_those_of_the_other() -> None:
    adata = cs.datasets.simulate(2000, 40, n_cell_types=1, n_patients=12, nested_patients=True, seed=1)
    cs.pp.split(adata, test_fraction=0.5, stratify_by="patient")
    cs.tl.cellot(adata, solver="mean_shift", use_rep="X")
    options: Any = {"unit": "patient", "metrics": "energy_distance", "baselines": "mean_shift", "n_boot": 0}
    rows = cs.tl.evaluate(adata, **options).dropna(subset="p_min").set_index(["perturbation", "model"])
    assert (rows["n_units"] == 8).all() and rows["p_min"].to_numpy() == pytest.approx(1 / 35)
    assert rows.loc[("drug_a", "identity"), "pvalue"] == pytest.approx(1 / 35)

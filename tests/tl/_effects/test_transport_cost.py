from __future__ import annotations

from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, concat

import cellot_sc as cs


@pytest.fixture(scope="module")
def costs(fitted: AnnData) -> Any:
    return cs.tl.transport_cost(fitted, groupby="cell_type").set_index(["perturbation", "group"])


def test_cost_is_the_mean_of_the_map(fitted: AnnData, costs: Any):
    control = (fitted.obs["perturbation"] == "control").to_numpy()
    in_type = control & (fitted.obs["cell_type"] == "type_1").to_numpy()
    drug_a = cs.tl.maps(fitted)["drug_a"]
    for group, mask in {"all": control, "type_1": in_type}.items():
        row = costs.loc["drug_a", group]
        assert row["cost"] == pytest.approx(drug_a.cost(fitted.obsm["X_cellot"][mask]).mean(), rel=1e-5)
        assert row["distance"] == pytest.approx(np.sqrt(2 * row["cost"]))
        assert row["n_cells"] == mask.sum()
    assert costs.groupby("perturbation").size().tolist() == [5, 5]
    assert (costs["ci_low"] <= costs["cost"]).all() and (costs["cost"] <= costs["ci_high"]).all()


def test_cost_of_one_perturbation(fitted: AnnData, costs: Any):
    table = cs.tl.transport_cost(fitted, targets="drug_b", groupby="cell_type").set_index(["perturbation", "group"])
    pd.testing.assert_frame_equal(table, costs.loc[["drug_b"]], check_exact=True)


def test_what_acts_costs_more_than_control_against_control(costs: Any):
    responder = costs.loc["drug_a", "type_0"]
    assert responder["ci_low"] > 5 * responder["null"]
    inert = costs.loc["drug_b", "all"]
    assert inert["cost"] < 2 * inert["null"]
    assert costs.loc["drug_a", "all"]["ci_low"] > inert["ci_high"]


def test_null_is_the_cost_of_no_effect():
    ratios = []
    for seed in range(12):
        adata = cs.datasets.simulate(600, 40, seed=seed)
        adata = adata[adata.obs["perturbation"] != "drug_a"].copy()
        # drawn at random: simulated conditions are more alike than samples, with as many cells of every type
        adata.obs["perturbation"] = np.random.default_rng(seed).permutation(adata.obs["perturbation"])
        cs.pp.split(adata)
        cs.pp.represent(adata, n_components=8)
        cs.tl.cellot(adata, solver="gaussian")
        [row] = cs.tl.transport_cost(adata, n_boot=0).to_dict("records")
        assert np.isnan(row["ci_low"])
        ratios.append(row["cost"] / row["null"])
    assert np.mean(ratios) == pytest.approx(1, abs=0.3)


def test_order_of_doses():
    adata = cs.datasets.simulate(1600, 60, perturbations="drug")
    control = adata[adata.obs["perturbation"] == "control"]
    changed = control.layers["counterfactual_drug"] - control.X.toarray()
    arm = np.arange(control.n_obs) % 5
    parts = []
    for k, dose in enumerate((None, 0, 1, 2, 4)):
        part = AnnData(control.X[arm == k].toarray() + (dose or 0) / 4 * changed[arm == k], var=control.var[[]])
        part.obs["perturbation"] = "control" if dose is None else f"dose_{dose}"
        parts.append(part)
    doses = concat(parts, index_unique="-", keys=list("abcde"))
    cs.pp.split(doses)
    cs.pp.represent(doses, n_components=10)
    cs.tl.cellot(doses, solver="gaussian")
    table = cs.tl.transport_cost(doses)
    assert table.sort_values("cost")["perturbation"].tolist() == ["dose_0", "dose_1", "dose_2", "dose_4"]
    low, high = table["ci_low"].to_numpy(), table["ci_high"].to_numpy()
    assert (low[2:] > high[:-2]).all()


def test_maps_that_do_not_move_cost_nothing(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="identity")
    table = cs.tl.transport_cost(adata)
    assert (table["cost"] == 0).all() and (table["ci_low"] == 0).all() and (table["null"] > 0).all()


def test_same_seed_same_table(fitted: AnnData, costs: Any):
    again = cs.tl.transport_cost(fitted, groupby="cell_type").set_index(["perturbation", "group"])
    pd.testing.assert_frame_equal(again, costs)


def test_errors(fitted: AnnData):
    with pytest.raises(ValueError, match="n_boot is -1"):
        cs.tl.transport_cost(fitted, n_boot=-1)
    with pytest.raises(KeyError, match="Did you mean 'cell_type'"):
        cs.tl.transport_cost(fitted, groupby="celltype")
    adata = fitted.copy()
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories({"type_0": "all"})
    with pytest.raises(ValueError, match="has a category 'all', which names a summary"):
        cs.tl.transport_cost(adata, groupby="cell_type")


def test_patients_as_the_unit(caplog: pytest.LogCaptureFixture):
    adata = cs.datasets.simulate(1600, 30, n_cell_types=2, n_patients=8, patient_noise=0.3, seed=1)
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=6)
    cs.tl.cellot(adata, solver="gaussian")
    table: Any = cs.tl.transport_cost(adata, unit="patient", groupby="cell_type")
    assert table.columns.tolist()[-3:] == ["pvalue", "n_units", "p_min"]
    by: Any = table.set_index(["perturbation", "group"])
    assert (table["p_min"] == 1 / 128).all() and (table["n_units"] == 8).all()
    assert by.loc[("drug_a", "all"), "pvalue"] < 0.05
    assert by.loc[("drug_b", "all"), "pvalue"] > 0.05
    assert table["ci_low"].le(table["cost"]).all()
    # what donors differ by makes maps move cells, far more than what cells do
    cells: Any = cs.tl.transport_cost(adata)
    assert by.loc[("drug_b", "all"), "null"] > 1.5 * cells["null"].iloc[1]
    pd.testing.assert_frame_equal(cs.tl.transport_cost(adata, unit="patient", groupby="cell_type"), table)

    adata.obs["few"] = (adata.obs["patient"].cat.codes % 4).astype(str)
    table = cs.tl.transport_cost(adata, unit="few", targets="drug_a")
    assert table["pvalue"].isna().all() and table["p_min"].tolist() == [0.125]
    assert "4 units cannot tell: no p-value could be below 0.12" in caplog.text


@pytest.mark.parametrize("context", ["patient", ["cell_type", "patient"]])
def test_maps_of_patients_are_tested_over_patients(context: str | list[str], caplog: pytest.LogCaptureFixture) -> None:
    """A map of its own moves a patient's cells as far after an exchange as before: no cost could be significant."""
    adata = cs.datasets.simulate(720, 30, n_patients=6, n_cell_types=2, patient_noise=0.2)
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=4)
    cs.tl.cellot(adata, solver="group_gaussian", context=context)
    table: Any = cs.tl.transport_cost(adata, unit="patient", n_boot=5).set_index("perturbation")
    assert table.loc["drug_a", "pvalue"] == 1 / 32
    assert "are others than those that the maps were fitted to" not in caplog.text
    assert table.loc["drug_b", "pvalue"] > 0.05
    assert (table["null"] < 0.3 * table.loc["drug_a", "cost"]).all()
    # nor would effects have any error
    own: Any = cs.tl.subpopulation_effects(adata, "cell_type", unit="patient")
    cs.tl.cellot(adata, solver="group_gaussian", context="cell_type")
    pooled: Any = cs.tl.subpopulation_effects(adata, "cell_type", unit="patient")
    assert own["se"].median() > 0.5 * pooled["se"].median()


def test_a_group_without_treated_cells_is_not_tested(caplog: pytest.LogCaptureFixture) -> None:
    adata = cs.datasets.simulate(900, 30, n_patients=6, n_cell_types=3, perturbations=("drug",), seed=0)
    lost = (adata.obs["cell_type"] == "type_2") & (adata.obs["perturbation"] == "drug")
    adata = adata[~lost.to_numpy()].copy()
    cs.tl.cellot(adata, solver="group_shift", context="cell_type")
    table = cs.tl.transport_cost(adata, groupby="cell_type", unit="patient", n_boot=3)
    pvalues = dict(zip(table["group"], table["pvalue"].astype(float), strict=True))
    assert np.isnan(pvalues["type_2"])
    assert pvalues["type_0"] < 0.05
    assert "the cost of 'drug' among 'type_2': 0 units cannot tell" in caplog.text


@pytest.mark.parametrize("unit", [None, "patient"])
def test_workers_make_the_table_of_one_process(fitted: AnnData, unit: str | None):
    alone = cs.tl.transport_cost(fitted, groupby="cell_type", unit=unit)
    with joblib.parallel_config("threading", n_jobs=2):
        shared = cs.tl.transport_cost(fitted, groupby="cell_type", unit=unit)
    pd.testing.assert_frame_equal(shared, alone, check_exact=True)

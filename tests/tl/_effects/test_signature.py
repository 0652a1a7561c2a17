from __future__ import annotations

import joblib
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import stats

import cellot_sc as cs


def test_means_of_predicted_and_observed(fitted: AnnData):
    table = cs.tl.signature(fitted)
    assert table.columns.tolist() == ["perturbation", "feature", "predicted", "observed", "pvalue_observed"]
    assert len(table) == 2 * 60
    rows = table[table["perturbation"] == "drug_a"].set_index("feature")
    x = fitted.to_df().groupby(fitted.obs["perturbation"].astype(str)).mean()
    np.testing.assert_allclose(rows["observed"], (x.loc["drug_a"] - x.loc["control"])[rows.index], atol=1e-5)
    start = cs.pp.decode(fitted, fitted.obsm["X_cellot"][fitted.obs["perturbation"] == "control"])
    expected = cs.tl.predict(fitted, "drug_a").X.mean(axis=0) - start.mean(axis=0)
    np.testing.assert_allclose(rows["predicted"], expected, atol=1e-5)
    assert rows["predicted"].corr(rows["observed"]) > 0.85
    cells = {name: fitted[fitted.obs["perturbation"] == name, "gene_03"].to_df()["gene_03"] for name in x.index}
    welch = stats.ttest_ind(cells["drug_a"].astype(float), cells["control"].astype(float), equal_var=False)
    assert rows.loc["gene_03", "pvalue_observed"] == pytest.approx(welch.pvalue, rel=1e-6)


def test_one_target_whose_cells_are_gone(fitted: AnnData):
    adata = fitted[fitted.obs["perturbation"] != "drug_a"].copy()
    table = cs.tl.signature(adata, targets="drug_a")
    assert table["perturbation"].unique().tolist() == ["drug_a"]
    assert table["observed"].isna().all() and table["predicted"].notna().all()


def test_layer_that_was_represented(simulated: AnnData):
    adata = simulated.copy()
    adata.layers["half"] = adata.X / 2
    cs.pp.split(adata)
    cs.pp.represent(adata, layer="half", n_components=8)
    cs.tl.cellot(adata, solver="mean_shift")
    table = cs.tl.signature(adata, targets="drug_a")
    whole = np.asarray(adata[adata.obs["perturbation"] == "drug_a"].X.mean(axis=0)).ravel()
    whole -= np.asarray(adata[adata.obs["perturbation"] == "control"].X.mean(axis=0)).ravel()
    np.testing.assert_allclose(table["observed"], whole / 2, atol=1e-5)


def test_errors(fitted: AnnData):
    with pytest.raises(ValueError, match="target 'drug_c' is unknown"):
        cs.tl.signature(fitted, targets="drug_c")
    with pytest.raises(KeyError, match="holds no fitted maps"):
        cs.tl.signature(fitted, key="other")


def test_patients_as_the_unit(fitted: AnnData):
    plain, tested = (cs.tl.signature(fitted, unit=unit) for unit in (None, "patient"))
    assert tested.columns.tolist() == [*plain.columns[:4], "pvalue", "pvalue_adj", "n_units", "p_min"]
    np.testing.assert_allclose(tested["predicted"], plain["predicted"])
    # patients have about as many cells each
    np.testing.assert_allclose(tested["observed"], plain["observed"], atol=0.05)
    assert (tested["n_units"] == 4).all()
    called = tested["pvalue_adj"] < 0.05
    assert called[tested["perturbation"] == "drug_a"].any() and not called[tested["perturbation"] == "drug_b"].any()


@pytest.mark.parametrize("unit", [None, "patient"])
def test_genes_that_were_not_measured_have_no_observed_effect(
    fitted: AnnData, lacking: AnnData, unit: str | None, caplog: pytest.LogCaptureFixture
):
    table, whole = (cs.tl.signature(adata, targets="drug_a", unit=unit) for adata in (lacking, fitted))
    gone = table["feature"].isin(["gene_03", "gene_40"])
    assert table.loc[gone, "observed"].isna().all()
    np.testing.assert_allclose(table.loc[~gone, "observed"], whole.loc[~gone, "observed"], atol=1e-6)
    np.testing.assert_array_equal(table["predicted"], whole["predicted"])
    if unit is not None:
        assert table.loc[gone, ["pvalue", "pvalue_adj"]].isna().all(axis=None)
        assert table.loc[~gone, "pvalue"].notna().all()
    assert sum("2 of 60 genes were not measured in these cells" in message for message in caplog.messages) == 1


def test_processes_make_the_table_of_one_process(fitted: AnnData):
    alone = cs.tl.signature(fitted, unit="patient")
    with joblib.parallel_config("loky", n_jobs=2):
        shared = cs.tl.signature(fitted, unit="patient")
    pd.testing.assert_frame_equal(shared, alone, check_exact=True)

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData

import cellot_sc as cs

COLUMNS = [
    "perturbation", "group", "feature", "effect", "se", "pvalue", "pvalue_adj", "frac_responding", "effect_observed",
    "n_cells",
]  # fmt: skip


def simulated_counts(n_cells: int, n_genes: int, seed: int) -> AnnData:
    """Return cells in which only the genes that a drug acts on change, as they do not without a fixed total."""
    adata = cs.datasets.simulate(n_cells, n_genes, seed=seed)
    adata.X = np.log1p(adata.layers["counts"])
    return adata


def effects_of(adata: AnnData, solver: str, targets: str | None = None) -> pd.DataFrame:
    """Return effects by cell type, with a column that says which are true."""
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=20)
    cs.tl.cellot(adata, solver=solver, targets=targets)
    table = cs.tl.subpopulation_effects(adata, "cell_type")
    changes = adata.uns["simulation"]["effects"]
    truth = set(zip(changes["perturbation"], changes["cell_type"], changes["gene"], strict=True))
    rows = zip(table["perturbation"], table["group"], table["feature"], strict=True)
    return table.assign(true=[row in truth for row in rows], called=table["pvalue_adj"] < 0.05)


class Quality(NamedTuple):
    precision: float
    recall: float


def quality(table: pd.DataFrame) -> Quality:
    return Quality(table.loc[table["called"], "true"].mean(), table.loc[table["true"], "called"].mean())


@pytest.mark.parametrize("seed", range(4))
def test_type_and_its_genes_are_found(seed: int):
    table = effects_of(simulated_counts(2400, 100, seed), "gaussian", "drug_a")
    found = quality(table)
    assert found.precision >= 0.9 and found.recall >= 0.9
    # cells of the type respond, others may seem to where the map carries the effect over
    responding = table.loc[table["feature"].isin(table["feature"][table["true"]])]
    share = responding.groupby("true")["frac_responding"].mean()
    assert share[True] > 0.9 and share[False] < 0.4


def test_type_is_found_where_totals_are_fixed():
    table = effects_of(cs.datasets.simulate(2400, 100, seed=0), "gaussian", "drug_a")
    # with a fixed total the other genes of the type change, too
    assert table.loc[table["true"], "called"].mean() >= 0.9
    assert (table.loc[table["called"], "group"] == "type_0").mean() >= 0.9


@pytest.mark.slow
def test_networks_find_the_type_and_its_genes():
    found = quality(effects_of(simulated_counts(2400, 100, seed=0), "icnn", "drug_a"))
    assert found.precision >= 0.9 and found.recall >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["gaussian", "icnn"])
def test_inert_drug_is_not_called(solver: str):
    tables = [effects_of(simulated_counts(900, 60, seed), solver, "drug_b") for seed in range(20)]
    assert np.mean([table["called"].any() for table in tables]) <= 0.05
    # of the tests before adjustment, too
    assert np.mean([(table["pvalue"] < 0.05).mean() for table in tables]) <= 0.05


@pytest.mark.slow
def test_predictions_alone_are_calibrated():
    tables = []
    for seed in range(20):
        adata = simulated_counts(600, 40, seed)
        adata = adata[adata.obs["perturbation"] != "drug_a"].copy()
        # drawn at random: simulated conditions are more alike than samples, with as many cells of every type
        adata.obs["perturbation"] = np.random.default_rng(seed).permutation(adata.obs["perturbation"])
        adata.obs["cell_type"] = adata.obs["cell_type"].where(adata.obs["perturbation"] == "control")
        table = effects_of(adata, "gaussian")
        assert table["effect_observed"].isna().all()
        tables.append(table)
    # effects of one map go together, so that tests of 20 maps are far fewer than 20 x 160 independent ones
    assert np.mean([(table["pvalue"] < 0.05).mean() for table in tables]) == pytest.approx(0.05, abs=0.04)
    assert np.mean([table["called"].any() for table in tables]) <= 0.05


def test_columns(fitted: AnnData):
    table = cs.tl.subpopulation_effects(fitted, "cell_type")
    assert table.columns.tolist() == COLUMNS
    assert len(table) == 2 * 4 * 60
    row = table.iloc[7]
    control = (fitted.obs["perturbation"] == "control").to_numpy() & (
        fitted.obs["cell_type"] == row["group"]
    ).to_numpy()
    treated = (fitted.obs["perturbation"] == "drug_a").to_numpy() & (fitted.obs["cell_type"] == row["group"]).to_numpy()
    gene = fitted.var_names.get_loc(row["feature"])
    assert row["effect_observed"] == pytest.approx(fitted.X[treated, gene].mean() - fitted.X[control, gene].mean())
    start = cs.pp.decode(fitted, fitted.obsm["X_cellot"][control])
    predicted = cs.tl.predict(fitted, "drug_a", cells=control).X
    assert row["effect"] == pytest.approx((predicted - start)[:, gene].mean(), abs=1e-5)
    assert row["n_cells"] == control.sum()
    assert table["pvalue"].between(0, 1).all() and (table["pvalue_adj"] >= table["pvalue"]).all()
    pd.testing.assert_frame_equal(cs.tl.subpopulation_effects(fitted, "cell_type"), table)


def test_other_perturbations_change_nothing(fitted: AnnData):
    both = cs.tl.subpopulation_effects(fitted, "cell_type")
    alone = cs.tl.subpopulation_effects(fitted, "cell_type", targets="drug_b")
    pd.testing.assert_frame_equal(both[both["perturbation"] == "drug_b"].reset_index(drop=True), alone)


def test_error_of_the_map_elsewhere_counts_where_no_treated_cell_was_seen(fitted: AnnData):
    adata = fitted.copy()
    hidden = (adata.obs["perturbation"] == "drug_a") & (adata.obs["cell_type"] == "type_1")
    adata.obs["cell_type"] = adata.obs["cell_type"].where(~hidden)
    before: Any
    after: Any
    before, after = (
        cs.tl.subpopulation_effects(x, "cell_type", targets="drug_a").set_index("group") for x in (fitted, adata)
    )
    assert after.loc["type_1", "effect_observed"].isna().all()
    assert (after.loc["type_1", "se"] >= before.loc["type_1", "se"]).all()
    assert after.loc["type_1", "se"].mean() > 1.1 * before.loc["type_1", "se"].mean()
    np.testing.assert_array_equal(after.loc["type_2", "se"], before.loc["type_2", "se"])


@pytest.fixture(scope="module")
def nested() -> AnnData:
    """Animals of one condition each, with effects of their own under the inert drug, too."""
    adata = cs.datasets.simulate(
        1200, 30, n_cell_types=2, n_patients=12, nested_patients=True, patient_noise=0.8, seed=2
    )
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=8)
    cs.tl.cellot(adata, solver="gaussian")
    return adata


def test_animals_as_the_unit(nested: AnnData):
    cells: Any
    animals: Any
    cells, animals = (cs.tl.subpopulation_effects(nested, "cell_type", unit=unit) for unit in (None, "patient"))
    assert animals.columns.tolist() == [*COLUMNS, "n_units", "p_min"]
    assert animals["n_units"].unique().tolist() == [8] and (animals["p_min"] == 0).all()
    of_inert = {
        name: table.query("perturbation == 'drug_b'") for name, table in [("cells", cells), ("animals", animals)]
    }
    # differences between animals are significant among cells only
    assert (of_inert["cells"]["pvalue"] < 0.05).mean() > 0.2
    assert (of_inert["animals"]["pvalue"] < 0.05).mean() < 0.1
    np.testing.assert_array_equal(animals["effect"], cells["effect"])
    true = set(nested.uns["simulation"]["effects"]["gene"])
    found = animals.query("perturbation == 'drug_a' and group == 'type_0'")
    assert found.loc[found["feature"].isin(true), "pvalue"].median() < 0.05


def test_observed_effect_is_that_of_units(nested: AnnData):
    row: Any = cs.tl.subpopulation_effects(nested, "cell_type", unit="patient", targets="drug_a").iloc[3]
    group = nested[(nested.obs["cell_type"] == row["group"]).to_numpy()]
    x = pd.Series(group[:, row["feature"]].X.toarray().ravel(), index=group.obs_names)
    means = x.groupby([group.obs["perturbation"], group.obs["patient"]], observed=True).mean()
    expected = means["drug_a"].mean() - means["control"].mean()
    assert row["effect_observed"] == pytest.approx(expected, abs=1e-5)


def test_two_animals_cannot_tell(nested: AnnData, caplog: pytest.LogCaptureFixture):
    adata = nested.copy()
    adata.obs["site"] = adata.obs["perturbation"]
    table = cs.tl.subpopulation_effects(adata, "cell_type", unit="site", targets="drug_a")
    assert table[["pvalue", "pvalue_adj", "se"]].isna().all(axis=None)
    assert (table["p_min"] == 1).all() and (table["n_units"] == 2).all()
    assert "2 units of 'drug_a' cannot tell" in caplog.text


def test_errors(fitted: AnnData):
    with pytest.raises(KeyError, match="unit 'patent' is not in adata.obs. Did you mean 'patient'"):
        cs.tl.subpopulation_effects(fitted, "cell_type", unit="patent")
    with pytest.raises(KeyError, match="Did you mean 'cell_type'"):
        cs.tl.subpopulation_effects(fitted, "celltype")
    with pytest.raises(ValueError, match="target 'drug_c' is unknown"):
        cs.tl.subpopulation_effects(fitted, "cell_type", targets="drug_c")
    adata = fitted.copy()
    adata.obs["none"] = np.nan
    with pytest.raises(ValueError, match="missing for every control cell"):
        cs.tl.subpopulation_effects(adata, "none")


@pytest.mark.slow
def test_interferon_response_of_blood_cells(kang_cells: AnnData):
    """Kang et al. 2018: all types make ISG15, IFI6 and IFIT3; monocytes far more CXCL10 and CCL8 than T cells."""
    adata = kang_cells.copy()
    sc.pp.highly_variable_genes(adata, n_top_genes=1000)
    named = ["ISG15", "IFI6", "IFIT3", "CXCL10", "CCL8"]
    adata = adata[:, adata.var["highly_variable"] | adata.var_names.isin(named)].copy()
    cs.pp.split(adata, "condition")
    cs.pp.represent(adata)
    cs.tl.cellot(adata, "condition", solver="gaussian")
    table = cs.tl.subpopulation_effects(adata, "cell_type")
    effect = table.pivot(index="group", columns="feature", values="effect")
    called = table.assign(called=table["pvalue_adj"] < 0.05).pivot(index="group", columns="feature", values="called")
    # ten megakaryocytes are too few
    groups = effect.index.drop("Mk")
    shared = ["ISG15", "IFI6", "IFIT3"]
    assert (effect.loc[groups, shared] > 0.5).all(axis=None) and called.loc[groups, shared].all(axis=None)
    monocytes, t_cells = ["CD14+Mono", "FCGR3A+Mono"], ["CD4T", "CD8T"]
    for gene in ("CXCL10", "CCL8"):
        assert effect.loc[monocytes, gene].min() > 3 * effect.loc[t_cells, gene].max()
        assert called.loc[monocytes, gene].all()


def test_a_group_without_treated_cells_is_not_called(caplog: pytest.LogCaptureFixture) -> None:
    """Where it has no map of its own, or patients answer, nothing speaks for it."""
    adata = cs.datasets.simulate(1200, 40, n_patients=4, n_cell_types=3, perturbations=("drug",), seed=0)
    lost = (adata.obs["cell_type"] == "type_2") & (adata.obs["perturbation"] == "drug")
    adata = adata[~lost.to_numpy()].copy()
    for context, unit in (("cell_type", None), (None, "patient"), ("cell_type", "patient")):
        cs.tl.cellot(adata, solver="group_gaussian", context=context)
        with caplog.at_level(logging.INFO, "cellot_sc"):
            table = cs.tl.subpopulation_effects(adata, "cell_type", unit=unit)
        unknown = table["group"] == "type_2"
        assert table.loc[unknown, ["pvalue", "pvalue_adj"]].isna().all(axis=None)
        assert (table.loc[~unknown, "pvalue_adj"] < 0.05).any()
        assert "too few treated cells of 'drug' to test by, no p-value is given: ['type_2']" in caplog.text
        caplog.clear()


def test_an_effect_that_cells_show_the_other_way_round_is_not_called() -> None:
    adata = cs.datasets.simulate(2000, 60, n_patients=6, n_cell_types=3, perturbations=("drug",), seed=1)
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=5)
    cs.tl.cellot(adata, solver="group_gaussian", context="cell_type")
    table = cs.tl.subpopulation_effects(adata, "cell_type")
    called = table[table["pvalue_adj"] < 0.05]
    assert len(called) > 10
    assert (called["effect"] * called["effect_observed"] > 0).all()
    against = table["effect"] * table["effect_observed"] < 0
    assert against.any()
    assert (table.loc[against, "pvalue"] == 1).all()


def test_genes_that_were_not_measured_are_not_tested(
    fitted: AnnData, lacking: AnnData, caplog: pytest.LogCaptureFixture
):
    table, whole = (cs.tl.subpopulation_effects(adata, "cell_type") for adata in (lacking, fitted))
    gone = table["feature"].isin(["gene_03", "gene_40"])
    assert table.loc[gone, ["pvalue", "pvalue_adj", "effect_observed"]].isna().all(axis=None)
    assert table.loc[~gone, ["pvalue", "pvalue_adj", "effect_observed"]].notna().all(axis=None)
    columns = ["effect", "frac_responding"]
    np.testing.assert_array_equal(table[columns], whole[columns])
    np.testing.assert_allclose(table.loc[~gone, "pvalue"], whole.loc[~gone, "pvalue"])
    assert sum("2 of 60 genes were not measured in these cells" in message for message in caplog.messages) == 1


@pytest.mark.parametrize("unit", [None, "patient"])
def test_workers_make_the_table_of_one_process(fitted: AnnData, unit: str | None):
    alone = cs.tl.subpopulation_effects(fitted, "cell_type", unit=unit)
    with joblib.parallel_config("threading", n_jobs=2):
        shared = cs.tl.subpopulation_effects(fitted, "cell_type", unit=unit)
    pd.testing.assert_frame_equal(shared, alone, check_exact=True)


def test_what_never_changes_does_not_respond():
    adata = cs.datasets.simulate(600, 50)
    adata.X = adata.X.toarray()
    adata.X[:, 3] = 0
    cs.tl.cellot(adata, solver="gaussian")
    table = cs.tl.subpopulation_effects(adata, "cell_type")
    assert (table.loc[table["feature"] == adata.var_names[3], "frac_responding"] == 0).all()

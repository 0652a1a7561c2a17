from __future__ import annotations

from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs


def killed(n_cells: int) -> AnnData:
    """Return simulated cells, of which an otherwise inert drug kills four fifths of one type."""
    adata = cs.datasets.simulate(n_cells, 60)
    doomed = (adata.obs["perturbation"] == "drug_b") & (adata.obs["cell_type"] == "type_2")
    rows = np.flatnonzero(doomed)
    keep = np.ones(adata.n_obs, dtype=bool)
    keep[rows[np.arange(len(rows)) % 5 > 0]] = False
    adata = adata[keep].copy()
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=10)
    # the Gaussian map cannot carry mass from one state to another
    cs.tl.cellot(adata, targets="drug_b", solver="entropic", match_abundance=False)
    return adata


@pytest.fixture(scope="module")
def adata() -> AnnData:
    return killed(900)


@pytest.mark.parametrize("unit", [None, "patient"])
def test_killed_state_is_lost(adata: AnnData, unit: str | None):
    table: Any = cs.tl.abundance_shift(adata, "cell_type", unit=unit).set_index(["source", "group"])
    for source in ("observed", "predicted"):
        rows = table.loc[source]
        assert rows["fraction"].sum() == pytest.approx(1) and rows["fraction_control"].sum() == pytest.approx(1)
        lost = rows.loc["type_2"]
        assert lost["ci_high"] < -0.5
        assert lost["ci_low"] < lost["log2_fold"] < lost["ci_high"]
        assert (rows["log2_fold"].drop("type_2") > 0).all()
    # a fifth of a quarter, of what is left
    expected = np.log2(0.2 / 0.8)
    assert table.loc["observed", "type_2"]["log2_fold"] == pytest.approx(expected, abs=0.3)
    assert table.loc["predicted", "type_2"]["log2_fold"] == pytest.approx(expected, abs=0.8)


def test_treated_cells_without_labels(adata: AnnData):
    known = cs.tl.abundance_shift(adata, "cell_type", n_boot=10)
    unlabelled = adata.copy()
    unlabelled.obs.loc[unlabelled.obs["perturbation"] == "drug_b", "cell_type"] = np.nan
    found = cs.tl.abundance_shift(unlabelled, "cell_type", n_boot=10)
    observed = (known["source"] == "observed").to_numpy()
    np.testing.assert_allclose(found["fraction"][observed], known["fraction"][observed], atol=0.03)


def test_nothing_happens(fitted: AnnData):
    table = cs.tl.abundance_shift(fitted, "cell_type")
    assert ((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).all()
    assert table["n_cells"].unique().tolist() == [200]
    pd.testing.assert_frame_equal(cs.tl.abundance_shift(fitted, "cell_type"), table)


def test_state_that_only_treated_cells_have(fitted: AnnData):
    adata = fitted.copy()
    states = adata.obs["cell_type"].astype(object)
    states[(adata.obs["perturbation"] == "drug_a") & (adata.obs["cell_type"] == "type_0")] = "new"
    adata.obs["state"] = states
    table: Any = cs.tl.abundance_shift(adata, "state", targets="drug_a").set_index(["source", "group"])
    for source in ("observed", "predicted"):
        assert table.loc[source, "new"]["fraction_control"] == 0
        assert table.loc[source, "new"]["ci_low"] > 1


def test_errors(fitted: AnnData):
    with pytest.raises(KeyError, match="Did you mean 'cell_type'"):
        cs.tl.abundance_shift(fitted, "celltype")
    with pytest.raises(ValueError, match="n_neighbors is 0"):
        cs.tl.abundance_shift(fitted, "cell_type", n_neighbors=0)
    adata = fitted.copy()
    adata.obs["one"] = "patient"
    with pytest.raises(ValueError, match="only 'patient' of adata.obs\\['one'\\] has both .* 'drug_a' cells.*leave"):
        cs.tl.abundance_shift(adata, "cell_type", unit="one")
    adata.obs["apart"] = adata.obs["perturbation"]
    with pytest.raises(ValueError, match="no category of adata.obs\\['apart'\\] has both control and 'drug_a' cells"):
        cs.tl.abundance_shift(adata, "cell_type", unit="apart")
    adata.obs["none"] = np.nan
    with pytest.raises(ValueError, match="'none'\\] is missing for every control cell"):
        cs.tl.abundance_shift(adata, "none")
    with pytest.raises(ValueError, match="number of cells of 'drug_a' is 0"):
        cs.tl.abundance_shift(fitted[fitted.obs["perturbation"] != "drug_a"].copy(), "cell_type")


@pytest.mark.parametrize("unit", [None, "patient"])
def test_workers_make_the_table_of_one_process(fitted: AnnData, unit: str | None):
    alone = cs.tl.abundance_shift(fitted, "cell_type", unit=unit)
    with joblib.parallel_config("threading", n_jobs=2):
        shared = cs.tl.abundance_shift(fitted, "cell_type", unit=unit)
    pd.testing.assert_frame_equal(shared, alone, check_exact=True)

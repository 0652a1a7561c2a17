from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData, read_h5ad

import cellot_sc as cs

from .test_cellot import assert_untouched


@pytest.fixture
def renamed(prepared: AnnData) -> AnnData:
    adata = prepared.copy()
    adata.obs["perturbation"] = adata.obs["perturbation"].cat.rename_categories({"drug_a": "NK/T"})
    return adata


@pytest.mark.parametrize("context", [None, "cell_type"])
def test_control_cells_have_what_a_prediction_of_them_has(prepared: AnnData, context: str | None) -> None:
    adata = prepared.copy()
    solver = "gaussian" if context is None else "group_gaussian"
    cs.tl.cellot(adata, solver=solver, context=context, feature_weights=[2.0] * 8, displacements=True)
    control = (adata.obs["perturbation"] == "control").to_numpy()
    costs = cs.tl.transport_cost(adata, n_boot=0).set_index("perturbation")["cost"]
    for name in ("drug_a", "drug_b"):
        predicted = cs.tl.predict(adata, name)
        moves = adata.obsm[f"displacement_{name}"]
        assert moves.dtype == np.float32
        np.testing.assert_array_equal(moves[control], predicted.obsm["displacement"])
        np.testing.assert_array_equal(adata.obs.loc[control, f"cost_{name}"], predicted.obs["cost"])
        assert np.isnan(moves[~control]).all() and adata.obs.loc[~control, f"cost_{name}"].isna().all()
        assert adata.obs[f"cost_{name}"].mean() == pytest.approx(costs[name], rel=1e-6)


def test_log_says_what_was_added(prepared: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    adata = prepared.copy()
    with caplog.at_level(logging.INFO, "cellot_sc"):
        cs.tl.cellot(adata, targets="drug_a", solver="mean_shift", displacements=True)
    assert caplog.messages == [
        "added uns['cellot'] with 1 mean_shift map on 'X_cellot', obsm['displacement_drug_a'], obs['cost_drug_a']"
    ]


def test_many_are_not_all_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    adata = cs.datasets.simulate(200, 20, perturbations=[f"drug_{i}" for i in range(4)])
    with caplog.at_level(logging.INFO, "cellot_sc"):
        cs.tl.cellot(adata, use_rep="X", solver="mean_shift", displacements=True)
    assert caplog.messages[-1].endswith("obsm['displacement_drug_0'], obs['cost_drug_0'] and those of 3 others")


def test_nothing_is_added_unless_it_is_asked_for(fitted: AnnData) -> None:
    assert not [name for name in fitted.obsm if name.startswith("displacement")]
    assert not [name for name in fitted.obs if name.startswith("cost")]


def test_names_are_such_that_files_take_them(renamed: AnnData, tmp_path: Path) -> None:
    cs.tl.cellot(renamed, solver="mean_shift", displacements=True)
    renamed.write_h5ad(tmp_path / "cells.h5ad")
    read = read_h5ad(tmp_path / "cells.h5ad")
    assert {"cost_NK_T", "cost_drug_b"} <= set(read.obs)
    assert {"displacement_NK_T", "displacement_drug_b"} <= set(read.obsm)


def test_two_targets_of_one_name_are_refused_before_the_fit(renamed: AnnData) -> None:
    renamed.obs["perturbation"] = renamed.obs["perturbation"].cat.rename_categories({"drug_b": "NK_T"})
    before = renamed.copy()
    with pytest.raises(
        ValueError, match="displacements of 'NK/T' and of 'NK_T' would both be kept as displacement_NK_T: rename"
    ):
        cs.tl.cellot(renamed, solver="mean_shift", displacements=True)
    assert_untouched(renamed, before)


def test_what_is_no_cost_is_not_replaced(prepared: AnnData) -> None:
    adata = prepared.copy()
    adata.obs["cost_drug_a"] = "high"
    before = adata.copy()
    with pytest.raises(ValueError, match=r"would overwrite what another function .* in adata.obs\['cost_drug_a'\]"):
        cs.tl.cellot(adata, solver="mean_shift", displacements=True)
    assert_untouched(adata, before)


def test_control_cells_that_lie_nowhere_have_none(prepared: AnnData) -> None:
    adata = prepared.copy()
    row = np.flatnonzero((adata.obs["perturbation"] == "control") & (adata.obs["split"] == "test"))[0]
    adata.obsm["X_cellot"][row] = np.nan
    cs.tl.cellot(adata, solver="mean_shift", displacements=True)
    assert np.isnan(adata.obs["cost_drug_a"].iloc[row])
    assert adata.obs["cost_drug_a"].notna().sum() == 199

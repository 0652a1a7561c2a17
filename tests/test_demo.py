from __future__ import annotations

import numpy as np
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _demo
from cellot_sc.pp._represent import project


def test_distance_to_what_each_cell_would_have_become(simulated: AnnData) -> None:
    adata = simulated.copy()
    cs.pp.split(adata, test_fraction=0.3)
    cs.pp.represent(adata, n_components=6)
    cs.tl.cellot(adata, targets="drug_a", solver="mean_shift")
    table = _demo.counterfactual_error(adata)
    values = table.set_index("model")["value"]
    test = ((adata.obs["perturbation"] == "control") & (adata.obs["split"] == "test")).to_numpy()
    truth = project(adata[test].layers["counterfactual_drug_a"], adata.uns["X_cellot"])
    moved = {"identity": adata[test].obsm["X_cellot"]}
    moved["mean_shift"] = cs.tl.predict(adata, "drug_a", cells=test, decode=False).X
    for model, points in moved.items():
        np.testing.assert_allclose(values[model], np.sqrt(((points - truth) ** 2).sum(axis=1).mean()), rtol=1e-4)
    assert set(table["metric"]) == {"counterfactual_error"}
    assert (table["ci_low"] < table["value"]).all()
    assert (table["value"] < table["ci_high"]).all()

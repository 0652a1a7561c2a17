"""Cell by cell against the truth, which only simulated cells have."""

from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.pp._represent import project


@pytest.fixture(scope="module")
def errors() -> dict[str, float]:
    """Root mean squared distance to each test cell's own treated state, per solver."""
    adata: AnnData = cs.datasets.simulate(seed=0)
    cs.pp.split(adata)
    cs.pp.represent(adata)
    cells = ((adata.obs["perturbation"] == "control") & (adata.obs["split"] == "test")).to_numpy()
    truth = project(adata[cells].layers["counterfactual_drug_a"], adata.uns["X_cellot"])
    found = {}
    for solver in ("icnn", "mean_shift", "identity"):
        cs.tl.cellot(adata, targets="drug_a", solver=solver)
        moved = cs.tl.predict(adata, "drug_a", cells=cells, decode=False).X
        found[solver] = float(np.sqrt(((moved - truth) ** 2).sum(axis=1).mean()))
    return found


@pytest.mark.slow
def test_a_response_of_one_cell_type_is_predicted_cell_by_cell(errors: dict[str, float]):
    assert errors["icnn"] < errors["mean_shift"] / 2
    assert errors["icnn"] < errors["identity"] / 2

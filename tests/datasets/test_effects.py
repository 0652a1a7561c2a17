from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import cellot_sc as cs

SMALL: dict[str, Any] = {"n_cells": 600, "n_genes": 60}


def simulate(*args: Any, **options: Any) -> Any:
    """Return the simulated AnnData; what its parts are is for the tests to say, not for their types."""
    return cs.datasets.simulate(*args, **options)


def of(adata: Any, condition: str) -> np.ndarray:
    return (adata.obs["perturbation"] == condition).to_numpy()


def change(adata: Any, perturbation: str) -> np.ndarray:
    """Counterfactual minus observed expression of control cells."""
    control = of(adata, "control")
    return adata.layers[f"counterfactual_{perturbation}"][control] - adata.X[control].toarray()


def test_roles() -> None:
    def roles(*perturbations: str) -> dict[str, str]:
        adata = simulate(400, 20, perturbations=perturbations)
        return dict(adata.uns["simulation"]["roles"])

    assert roles("a") == {"a": "all_types"}
    assert roles("a", "b") == {"a": "one_type", "b": "inert"}
    assert roles("z", "y", "x", "w") == {"z": "all_types", "y": "all_types", "x": "one_type", "w": "inert"}


def test_inert_perturbation_changes_nothing_in_any_cell() -> None:
    adata = simulate(**SMALL)
    np.testing.assert_array_equal(change(adata, "drug_b"), 0)
    responses = adata.uns["simulation"]["responses"]
    assert not responses.loc[responses["perturbation"] == "drug_b", "responds"].any()


def test_one_type_responds_up_and_down() -> None:
    adata = simulate(**SMALL)
    truth = adata.uns["simulation"]
    responses = truth["responses"].query("perturbation == 'drug_a'")
    assert responses["responds"].tolist() == [True, False, False, False]
    effects = truth["effects"].query("perturbation == 'drug_a'")
    assert set(effects["cell_type"]) == {"type_0"}
    assert (np.sign(effects["log_fold_change"]).value_counts() == 6).all()
    assert effects["log_fold_change"].abs().between(1, 2).all()

    responder = (adata.obs["cell_type"] == "type_0").to_numpy()[of(adata, "control")]
    shift = change(adata, "drug_a")
    np.testing.assert_array_equal(shift[~responder], 0)
    mean_shift = pd.Series(shift[responder].mean(axis=0), index=adata.var_names)[effects["gene"]].to_numpy()
    assert (np.sign(mean_shift) == np.sign(effects["log_fold_change"])).all()


def test_general_perturbation_acts_on_every_type_in_its_own_way() -> None:
    adata = simulate(**SMALL, perturbations=("ifn", "a", "b"))
    truth = adata.uns["simulation"]
    effects = (
        truth["effects"]
        .query("perturbation == 'ifn'")
        .pivot(index="gene", columns="cell_type", values="log_fold_change")
    )
    shared = effects.dropna()
    assert len(shared) >= 6
    assert (np.sign(shared).nunique(axis=1) == 1).sum() >= 6
    assert shared.abs().std(axis=1).min() > 0.01
    assert effects.isna().any(axis=1).any()
    strength = truth["patients"].query("perturbation == 'ifn'")["strength"]
    assert strength.nunique() == 4
    assert strength.between(0.5, 2).all()
    cell_type = adata.obs["cell_type"].to_numpy()[of(adata, "control")]
    for name in np.unique(cell_type):
        assert np.abs(change(adata, "ifn")[cell_type == name]).max(axis=1).min() > 0

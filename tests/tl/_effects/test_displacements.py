from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.tl._effects.displacements import displacements, largest


def test_effects_are_the_difference_of_decoded_cells(fitted: AnnData):
    moves = displacements(fitted, "cellot", "drug_a")
    predicted = cs.tl.predict(fitted, "drug_a")
    start = cs.pp.decode(fitted, fitted.obsm["X_cellot"][moves.rows])
    np.testing.assert_allclose(moves.effects("drug_a"), predicted.X - start, atol=1e-6)
    np.testing.assert_allclose(moves.of("drug_a"), predicted.obsm["X_cellot"] - moves.x, atol=1e-6)
    assert moves.space.features == list(fitted.var_names)


def test_representation_that_cannot_be_decoded(prepared: AnnData):
    adata = prepared.copy()
    adata.obsm["X_other"] = np.array(adata.obsm["X_cellot"])
    cs.tl.cellot(adata, use_rep="X_other", solver="mean_shift")
    moves = displacements(adata, "cellot")
    assert moves.space.features == [f"X_other_{i}" for i in range(8)]
    np.testing.assert_array_equal(moves.effects("drug_a"), moves.of("drug_a"))


def test_expression_itself(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, use_rep="X", solver="mean_shift")
    moves = displacements(adata, "cellot")
    assert moves.space.features == list(adata.var_names)
    assert moves.effects("drug_b").shape == (200, 60)


def test_target_not_fitted(fitted: AnnData):
    with pytest.raises(ValueError, match="target 'drug_c' is unknown. Did you mean 'drug_"):
        displacements(fitted, "cellot", "drug_c")


def test_largest_first_and_ties_in_order() -> None:
    assert largest(np.array([1.0, 3.0, 2.0, 3.0]), ["a", "b", "c", "d"]) == ["b", "d", "c", "a"]


def test_what_is_sent_of_one_perturbation_is_not_the_cells(fitted: AnnData):
    moves = displacements(fitted, "cellot")
    only = moves.only("drug_b")
    assert only.space.adata.n_obs == 0 and [*only.fitted.maps] == only.names == ["drug_b"]
    np.testing.assert_array_equal(only.effects("drug_b"), moves.effects("drug_b"))
    assert only.space.features == moves.space.features

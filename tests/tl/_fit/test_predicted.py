from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anndata import AnnData, read_h5ad, read_zarr

import cellot_sc as cs
from cellot_sc.tl._fit import store


def of_control(adata: AnnData, key: str = "X_cellot") -> np.ndarray:
    return np.asarray(adata.obsm[key][(adata.obs["perturbation"] == "control").to_numpy()])


def test_control_cells_go_the_same_way_to_genes(fitted: AnnData) -> None:
    predicted = cs.tl.predict(fitted, "drug_a")
    np.testing.assert_array_equal(predicted.layers["control"], cs.pp.decode(fitted, of_control(fitted)))
    np.testing.assert_array_equal(predicted.layers["effect"], predicted.X - predicted.layers["control"])
    assert {predicted.layers[name].dtype for name in ("control", "effect")} == {np.dtype(np.float32)}
    effect = cs.tl.signature(fitted, targets="drug_a").set_index("feature")["predicted"]
    np.testing.assert_allclose(
        predicted.layers["effect"].mean(axis=0), effect[predicted.var_names].to_numpy(), atol=1e-5
    )


def test_of_several_targets_each_has_the_cells_that_it_was_made_from(fitted: AnnData) -> None:
    both = cs.tl.predict(fitted)
    for name in ("drug_a", "drug_b"):
        one, part = cs.tl.predict(fitted, name), both[both.obs["perturbation"] == name]
        for layer in ("control", "effect"):
            np.testing.assert_array_equal(part.layers[layer], one.layers[layer])
        np.testing.assert_array_equal(part.obsm["displacement"], one.obsm["displacement"])


def test_latent_that_is_not_decoded_is_compared_in_its_own_space(fitted: AnnData) -> None:
    predicted = cs.tl.predict(fitted, "drug_a", decode=False)
    np.testing.assert_array_equal(predicted.layers["control"], of_control(fitted))
    np.testing.assert_array_equal(predicted.layers["effect"], predicted.obsm["displacement"])
    assert predicted.uns["cellot_prediction"]["decoded"] is False
    assert predicted.uns["cellot_prediction"]["scale"] == "points of 'X_cellot'"


def test_expression_itself_is_as_it_is_viewed(prepared: AnnData) -> None:
    adata = prepared.copy()
    adata = adata[:, ::-1].copy()
    cs.tl.cellot(adata, use_rep="X", solver="mean_shift")
    other = adata[:, np.random.default_rng(0).permutation(adata.n_vars)].copy()
    predicted = cs.tl.predict(other, "drug_a", cells=[0, 1])
    np.testing.assert_allclose(predicted.layers["control"], other.X[:2].toarray())
    # what is cut off at 0 is no effect
    assert predicted.layers["effect"].min() >= -predicted.layers["control"].max()
    assert predicted.uns["cellot_prediction"]["scale"] == "expression, on the scale of adata.X"
    assert predicted.uns["cellot_prediction"]["decoded"] is False


def test_expression_of_a_layer(prepared: AnnData) -> None:
    adata = prepared.copy()
    adata.layers["lognorm"] = adata.X
    cs.pp.represent(adata, n_components=5, layer="lognorm")
    cs.tl.cellot(adata, solver="mean_shift")
    predicted = cs.tl.predict(adata, "drug_a")
    np.testing.assert_array_equal(predicted.layers["lognorm"], predicted.X)
    assert set(predicted.layers) - {None} == {"lognorm", "control", "effect"}


@pytest.mark.parametrize("weights", [None, [4.0] * 8])
def test_the_mean_cost_is_the_transport_cost(prepared: AnnData, weights: Any) -> None:
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="gaussian", feature_weights=weights)
    predicted = cs.tl.predict(adata)
    expected = cs.tl.transport_cost(adata, n_boot=0).set_index("perturbation")["cost"]
    found = predicted.obs.groupby("perturbation", observed=True)["cost"].mean()
    np.testing.assert_allclose(found, expected[found.index], rtol=1e-6)
    displacement = predicted.obsm["displacement"]
    assert displacement.dtype == np.float32 and displacement.shape == (400, 8)
    factor = 1 if weights is None else 4
    np.testing.assert_allclose(predicted.obs["cost"], 0.5 * factor * (displacement**2).sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(predicted.obsm["X_cellot"][:200] - of_control(adata), displacement[:200], atol=1e-6)


def test_role_and_provenance_are_kept_in_files(fitted: AnnData, tmp_path: Path) -> None:
    predicted = cs.tl.predict(fitted)
    assert predicted.obs["role"].cat.categories.tolist() == ["predicted"]
    predicted.write_h5ad(tmp_path / "predicted.h5ad")
    predicted.write_zarr(tmp_path / "predicted.zarr")
    for read in (predicted, read_h5ad(tmp_path / "predicted.h5ad"), read_zarr(tmp_path / "predicted.zarr")):
        kept = read.uns["cellot_prediction"]
        assert kept["targets"].tolist() == ["drug_a", "drug_b"]
        assert kept["fit"] == repr(cs.tl.maps(fitted).fit)
        assert kept["digest"] == store.maps(fitted).digest
        assert kept["decoded"]
        assert kept["scale"] == "expression decoded from 8 dimensions, on the scale of what was represented"
        plain = ("solver", "label_key", "control", "split_key", "use_rep", "key")
        assert [kept[name] for name in plain] == ["gaussian", "perturbation", "control", "split", "X_cellot", "cellot"]
        assert read.obs["role"].unique().tolist() == ["predicted"]


def test_a_column_that_is_replaced_is_named(fitted: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    adata = fitted.copy()
    adata.obs["role"] = "helper"
    with caplog.at_level(logging.WARNING, "cellot_sc"):
        predicted = cs.tl.predict(adata)
    assert caplog.messages.count("obs['role'] of the prediction is not what adata has there: rename that") == 1
    assert set(predicted.obs["role"]) == {"predicted"}
    caplog.clear()
    predicted.uns["cellot"] = fitted.uns["cellot"]
    cs.tl.predict(predicted, "drug_a", cells=slice(3))
    assert "rename that" not in caplog.text

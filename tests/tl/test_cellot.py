from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.ot import SOLVERS, AffineMap, MeanShiftMap, WeightedMap
from cellot_sc.tl import _store


def snapshot(adata: AnnData) -> dict[str, Any]:
    """Everything an AnnData holds, in a form that compares."""
    return {
        "X": adata.X.copy(),
        "obs": adata.obs.copy(),
        "var": adata.var.copy(),
        "obsm": {key: np.array(value) for key, value in adata.obsm.items()},
        "uns": list(adata.uns),
        "layers": list(adata.layers),
    }


def assert_untouched(adata: AnnData, before: dict[str, Any]) -> None:
    assert (adata.X != before["X"]).nnz == 0
    pd.testing.assert_frame_equal(adata.obs, before["obs"])
    pd.testing.assert_frame_equal(adata.var, before["var"])
    assert set(adata.obsm) == set(before["obsm"])
    for key, value in before["obsm"].items():
        np.testing.assert_array_equal(adata.obsm[key], value)
    assert list(adata.uns) == before["uns"]
    assert list(adata.layers) == before["layers"]


def train_means(adata: AnnData, use_rep: str = "X_cellot") -> dict[str, np.ndarray]:
    train = adata.obs["split"] == "train"
    return {
        name: adata.obsm[use_rep][((adata.obs["perturbation"] == name) & train).to_numpy()].mean(0)
        for name in adata.obs["perturbation"].unique()
    }


def test_simply_works(simulated: AnnData, caplog: pytest.LogCaptureFixture):
    adata = simulated.copy()
    with caplog.at_level(logging.INFO, "cellot_sc"):
        assert cs.tl.cellot(adata, n_steps=20, check_every=10, min_steps=10, penalties=(10.0,)) is None
    assert set(adata.obs["split"].cat.categories) == {"train", "valid", "test", "ood"}
    assert adata.obsm["X_cellot"].shape[0] == adata.n_obs
    fitted = _store.load(adata, "cellot")
    assert list(fitted.maps) == ["drug_a", "drug_b"]
    assert fitted.config["solver"] == "icnn"
    assert "no split in obs['split']" in caplog.text
    assert "no representation in obsm" in caplog.text
    assert "added obs['split'], obsm['X_cellot'], uns['cellot'] with 2 icnn maps on 'X_cellot'" in caplog.text


def test_the_map_is_that_of_the_train_cells(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="mean_shift")
    means = train_means(adata)
    for name, fitted in _store.load(adata, "cellot").maps.items():
        assert isinstance(fitted, MeanShiftMap)
        np.testing.assert_allclose(fitted.shift, means[name] - means["control"], atol=1e-5)


@pytest.mark.parametrize("solver", ["gaussian", "icnn"])
def test_no_test_or_ood_cell_is_seen(prepared: AnnData, solver: str):
    options = {"n_steps": 20, "check_every": 10, "min_steps": 10, "penalties": (10.0,)} if solver == "icnn" else {}
    adata = prepared.copy()
    adata.obs.loc[adata.obs["patient"] == "patient_1", "split"] = "ood"
    other = adata.copy()
    unseen = other.obs["split"].isin(["test", "ood"]).to_numpy()
    rng = np.random.default_rng(0)
    other.obsm["X_cellot"][unseen] = rng.normal(50, 10, size=other.obsm["X_cellot"][unseen].shape)
    for data in (adata, other):
        cs.tl.cellot(data, targets="drug_a", solver=solver, **options)
    a, b = (_store.load(data, "cellot").maps["drug_a"] for data in (adata, other))
    x = adata.obsm["X_cellot"]
    np.testing.assert_array_equal(a.transport(x), b.transport(x))


def test_targets_and_key(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, targets=["drug_b"], solver="identity", key_added="other")
    assert "cellot" not in adata.uns
    assert list(_store.load(adata, "other").maps) == ["drug_b"]


def test_copy_leaves_the_original(prepared: AnnData):
    adata = prepared.copy()
    before = snapshot(adata)
    out = cs.tl.cellot(adata, solver="identity", copy=True)
    assert out is not None
    assert "cellot" in out.uns
    assert_untouched(adata, before)


def test_other_names_of_column_and_control(prepared: AnnData):
    adata = prepared.copy()
    adata.obs["condition"] = adata.obs["perturbation"].astype(str).replace({"control": "DMSO"})
    del adata.obs["perturbation"]
    cs.tl.cellot(adata, "condition", "DMSO", solver="mean_shift")
    assert cs.tl.predict(adata, "drug_a").obs["condition"].unique().tolist() == ["drug_a"]


class TestRepresentation:
    def test_pca_of_scanpy_is_taken_second(self, prepared: AnnData):
        adata = prepared.copy()
        adata.obsm["X_pca"] = np.array(adata.obsm["X_cellot"][:, :3])
        cs.tl.cellot(adata, solver="identity")
        assert _store.load(adata, "cellot").config["use_rep"] == "X_cellot"
        del adata.obsm["X_cellot"]
        cs.tl.cellot(adata, solver="identity")
        assert _store.load(adata, "cellot").maps["drug_a"].n_dims == 3

    def test_expression_itself(self, prepared: AnnData):
        adata = prepared.copy()
        cs.tl.cellot(adata, use_rep="X", solver="mean_shift")
        assert _store.load(adata, "cellot").maps["drug_a"].n_dims == adata.n_vars


class TestPairs:
    def test_a_category_without_treated_cells_is_left_out(self, prepared: AnnData):
        adata = prepared.copy()
        adata = adata[~((adata.obs["patient"] == "patient_0") & (adata.obs["perturbation"] == "drug_a"))].copy()
        cs.tl.cellot(adata, targets="drug_a", solver="mean_shift", pair_by="patient")
        kept = adata[adata.obs["patient"] != "patient_0"]
        means = train_means(kept)
        shift = _store.load(adata, "cellot").maps["drug_a"].shift  # type: ignore[attr-defined]
        np.testing.assert_allclose(shift, means["drug_a"] - means["control"], atol=1e-5)

    def test_nothing_in_common(self, prepared: AnnData):
        adata = prepared.copy()
        adata.obs["line"] = np.where(adata.obs["perturbation"] == "control", "A", "B")
        with pytest.raises(ValueError, match="in the categories of pair_by that have both has 0 train cells"):
            cs.tl.cellot(adata, solver="mean_shift", pair_by="line")


class TestWeights:
    def test_all_ones_change_nothing_to_the_bit(self, prepared: AnnData):
        plain, ones = prepared.copy(), prepared.copy()
        cs.tl.cellot(plain, solver="gaussian")
        cs.tl.cellot(ones, solver="gaussian", feature_weights=np.ones(8))
        x = prepared.obsm["X_cellot"]
        for name in ("drug_a", "drug_b"):
            a, b = (_store.load(data, "cellot").maps[name].transport(x) for data in (plain, ones))
            np.testing.assert_array_equal(a, b)

    def test_the_map_is_optimal_for_the_weighted_cost(self, prepared: AnnData):
        weights = np.linspace(0.5, 3, 8)
        adata = prepared.copy()
        cs.tl.cellot(adata, targets="drug_a", solver="gaussian", feature_weights=weights)
        fitted = _store.load(adata, "cellot").maps["drug_a"]
        assert isinstance(fitted, WeightedMap)
        assert isinstance(fitted.inner, AffineMap)
        # by Brenier's theorem for the weighted cost, W^1/2 J W^-1/2 is symmetric for the Jacobian J of the map
        unit = np.eye(8, dtype=np.float32)
        jacobian = (fitted.transport(unit) - fitted.transport(np.zeros((1, 8)))).T
        symmetric = np.sqrt(weights)[:, None] * jacobian / np.sqrt(weights)
        np.testing.assert_allclose(symmetric, symmetric.T, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"perturbation_key": "perturbaton"}, KeyError, "Did you mean 'perturbation'"),
        ({"control": "contrl"}, ValueError, "Did you mean 'control'"),
        ({"targets": "drug_c"}, ValueError, "target 'drug_c' is unknown. Did you mean 'drug_"),
        ({"targets": []}, ValueError, "targets is empty"),
        ({"targets": ["drug_a", "drug_a"]}, ValueError, "names a perturbation twice"),
        ({"use_rep": "X_celot"}, KeyError, "Did you mean 'X_cellot'"),
        ({"solver": "icn"}, ValueError, "Did you mean 'icnn'"),
        ({"pair_by": "patent"}, KeyError, "Did you mean 'patient'"),
        ({"solver": "icnn", "n_step": 3}, TypeError, "Did you mean 'n_steps'"),
        ({"solver": "icnn", "n_steps": 0}, ValueError, "n_steps is 0; a positive whole number"),
        ({"solver": "icnn", "batch_size": -1}, ValueError, "batch_size is -1"),
        ({"feature_weights": np.ones(3)}, ValueError, "8 positive finite numbers"),
        ({"feature_weights": np.zeros(8)}, ValueError, "8 positive finite numbers"),
        ({"feature_weights": "cell_typ"}, KeyError, "Did you mean 'cell_type'"),
    ],
)
def test_bad_input_leaves_everything_as_it_was(
    prepared: AnnData, change: dict[str, Any], error: type[Exception], message: str
):
    adata = prepared.copy()
    before = snapshot(adata)
    with pytest.raises(error, match=message):
        cs.tl.cellot(adata, **({"solver": "gaussian"} | change))
    assert_untouched(adata, before)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(prepared: AnnData, value: float):
    adata = prepared.copy()
    row = np.flatnonzero((adata.obs["split"] == "train") & (adata.obs["perturbation"] == "control"))[0]
    adata.obsm["X_cellot"][row, 1] = value
    before = snapshot(adata)
    with pytest.raises(ValueError, match="use_rep 'X_cellot' holds NaN or inf in 1 of"):
        cs.tl.cellot(adata, solver="gaussian")
    assert_untouched(adata, before)


def test_too_few_train_cells(prepared: AnnData):
    adata = prepared.copy()
    drug = adata.obs["perturbation"] == "drug_a"
    adata.obs.loc[adata.obs_names[drug][9:], "split"] = "test"
    adata.obs.loc[adata.obs_names[drug][:9], "split"] = "train"
    before = snapshot(adata)
    with pytest.raises(ValueError, match="target 'drug_a' has 9 train cells; at least 10 are needed"):
        cs.tl.cellot(adata, solver="gaussian")
    assert_untouched(adata, before)


def test_only_controls(prepared: AnnData):
    adata = prepared[prepared.obs["perturbation"] == "control"].copy()
    with pytest.raises(ValueError, match="there is no perturbation to learn"):
        cs.tl.cellot(adata, solver="gaussian")


def test_without_validation_cells(prepared: AnnData):
    adata = prepared.copy()
    adata.obs["split"] = adata.obs["split"].replace({"valid": "train"})
    cs.tl.cellot(adata, targets="drug_a", n_steps=20, check_every=10, min_steps=10, penalties=(10.0,))
    predicted = cs.tl.predict(adata, "drug_a", decode=False)
    assert np.isfinite(predicted.X).all()


@pytest.mark.parametrize("solver", sorted(set(SOLVERS) - {"paper", "expectile", "monge_gap"}))
def test_same_seed_same_map_to_the_bit(prepared: AnnData, solver: str):
    options = {"n_steps": 20, "check_every": 10, "min_steps": 10} if solver == "icnn" else {}
    x = prepared.obsm["X_cellot"]
    moved = []
    for _ in range(2):
        adata = prepared.copy()
        cs.tl.cellot(adata, targets="drug_a", solver=solver, seed=5, **options)
        moved.append(_store.load(adata, "cellot").maps["drug_a"].transport(x))
    np.testing.assert_array_equal(*moved)

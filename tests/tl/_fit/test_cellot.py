from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import cellot_sc as cs
from cellot_sc.ot import SOLVERS, AffineMap, MeanShiftMap, WeightedMap

QUICK: dict[str, Any] = {"n_steps": 20, "check_every": 10, "min_steps": 10, "penalties": (10.0,)}


def assert_same(a: Any, b: Any) -> None:
    """Assert that two values are the same to the last key and bit."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b)
    elif sparse.issparse(a):
        assert (a != b).nnz == 0
    else:
        np.testing.assert_array_equal(a, b)


def assert_untouched(adata: AnnData, before: AnnData) -> None:
    """Assert that an AnnData holds what its copy of before holds, and nothing else."""
    assert_same(adata.X, before.X)
    assert_same(adata.obs, before.obs)
    assert_same(adata.var, before.var)
    for name in ("obsm", "varm", "layers", "obsp", "uns"):
        assert_same(dict(getattr(adata, name)), dict(getattr(before, name)))


def train_means(adata: AnnData, use_rep: str = "X_cellot") -> dict[str, np.ndarray]:
    train = adata.obs["split"] == "train"
    return {
        name: adata.obsm[use_rep][((adata.obs["perturbation"] == name) & train).to_numpy()].mean(0)
        for name in adata.obs["perturbation"].unique()
    }


def test_simply_works(simulated: AnnData, caplog: pytest.LogCaptureFixture):
    adata = simulated.copy()
    with caplog.at_level(logging.INFO, "cellot_sc"):
        assert cs.tl.cellot(adata, **QUICK) is None
    assert set(adata.obs["split"].cat.categories) == {"train", "valid", "test", "ood"}
    assert adata.obsm["X_cellot"].shape[0] == adata.n_obs
    fitted = cs.tl.maps(adata)
    assert list(fitted.maps) == ["drug_a", "drug_b"]
    assert fitted.fit.solver == "icnn"
    assert "no split in obs['split']" in caplog.text
    assert "no representation that has seen train cells only: making one" in caplog.text
    assert "added obs['split'], obsm['X_cellot'], uns['cellot'] with 2 icnn maps on 'X_cellot'" in caplog.text


def test_the_map_is_that_of_the_train_cells(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="mean_shift")
    means = train_means(adata)
    for name, fitted in cs.tl.maps(adata).items():
        assert isinstance(fitted, MeanShiftMap)
        np.testing.assert_allclose(fitted.shift, means[name] - means["control"], atol=1e-5)


@pytest.mark.parametrize("solver", ["gaussian", "icnn"])
def test_no_test_or_ood_cell_is_seen(prepared: AnnData, solver: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cellot_sc.ot._loop.lack_of_fit.explains", lambda *_: False)
    monkeypatch.setattr("cellot_sc.ot._solvers.icnn._choose", lambda start, members, *judged, **kept: members[0])
    options = QUICK if solver == "icnn" else {}
    adata = prepared.copy()
    adata.obs.loc[adata.obs["patient"] == "patient_1", "split"] = "ood"
    other = adata.copy()
    unseen = other.obs["split"].isin(["test", "ood"]).to_numpy()
    rng = np.random.default_rng(0)
    other.obsm["X_cellot"][unseen] = rng.normal(50, 10, size=other.obsm["X_cellot"][unseen].shape)
    for data in (adata, other):
        # points of a space that was made elsewhere
        del data.uns["X_cellot"]
        cs.tl.cellot(data, targets="drug_a", solver=solver, **options)
    a, b = (cs.tl.maps(data)["drug_a"] for data in (adata, other))
    assert a.kind == ("potential" if solver == "icnn" else "affine")
    x = adata.obsm["X_cellot"]
    np.testing.assert_array_equal(a.transport(x), b.transport(x))


def test_representation_made_on_the_way_sees_train_cells_only(simulated: AnnData):
    adata = simulated.copy()
    cs.pp.split(adata, holdout={"patient": "patient_1"})
    other = adata.copy()
    unseen = np.flatnonzero(other.obs["split"].isin(["test", "ood"]))
    x = other.X.toarray()
    x[unseen] = x[np.random.default_rng(0).permutation(unseen)] + 1
    other.X = x
    for data in (adata, other):
        cs.tl.cellot(data, solver="gaussian")
    a, b = (cs.tl.maps(data) for data in (adata, other))
    seen = np.setdiff1d(np.arange(adata.n_obs), unseen)
    # the other is dense, and adds up in another order
    np.testing.assert_allclose(adata.obsm["X_cellot"][seen], other.obsm["X_cellot"][seen], atol=1e-4)
    for name in a:
        moved = a[name].transport(adata.obsm["X_cellot"])
        np.testing.assert_allclose(moved, b[name].transport(adata.obsm["X_cellot"]), atol=1e-2)


def test_test_cells_may_hold_anything(prepared: AnnData):
    adata = prepared.copy()
    adata.obsm["X_cellot"][(adata.obs["split"] == "test").to_numpy()] = np.nan
    cs.tl.cellot(adata, solver="gaussian")
    cs.tl.cellot(prepared_copy := prepared.copy(), solver="gaussian")
    for name, fitted in cs.tl.maps(adata).items():
        assert_same(fitted.state(), cs.tl.maps(prepared_copy)[name].state())


def test_history_table(prepared: AnnData, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cellot_sc.ot._loop.lack_of_fit.explains", lambda *_: False)
    adata = prepared.copy()
    cs.tl.cellot(adata, **QUICK)
    table = adata.uns["cellot"]["history"]
    assert list(table.columns) == ["perturbation", "step", "seconds", "metric", "value"]
    assert set(table["perturbation"]) == {"drug_a", "drug_b"}
    for _, part in table.groupby("perturbation"):
        looks = part[~part["metric"].isin(["selected", "start"])]
        assert looks.groupby("metric")["step"].apply(list).to_dict() == {"loss": [0, 10, 20], "validation": [0, 10, 20]}
        assert np.isfinite(looks.loc[looks["metric"] == "validation", "value"]).all()
        selected = part[part["metric"] == "selected"]
        assert len(selected) == 1
        assert selected["value"].iloc[0] in (10, 20)


def test_fit_says_what_was_asked_for(prepared: AnnData, tmp_path: Path):
    adata = prepared.copy()
    options = QUICK | {"penalties": np.array([10.0]), "noise": np.float32(0.5)}
    cs.tl.cellot(adata, targets="drug_a", seed=np.int64(3), checkpoint_dir=tmp_path, **options)  # type: ignore[arg-type]
    fit = cs.tl.maps(adata).fit
    assert [len(digest) for digest in fit.cells] == [16, 16]
    assert fit == cs.tl.Fit(
        cells=fit.cells,
        kind="perturbations",
        label_key="perturbation",
        control="control",
        targets=("drug_a",),
        use_rep="X_cellot",
        split_key="split",
        solver="icnn",
        options=QUICK | {"penalties": (10.0,), "noise": 0.5},
        seed=3,
        match_abundance=True,
    )


def test_progress_is_shown_unless_it_is_off(prepared: AnnData, capsys: pytest.CaptureFixture[str]):
    for progress in (False, True):
        cs.settings.progress = progress
        try:
            cs.tl.cellot(prepared.copy(), targets="drug_a", **QUICK)
        finally:
            cs.settings.progress = False
        assert ("icnn" in capsys.readouterr().err) == progress


def test_targets_and_key(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, targets=["drug_b"], solver="identity", key_added="other")
    assert "cellot" not in adata.uns
    assert list(cs.tl.maps(adata, "other")) == ["drug_b"]


def test_copy_leaves_the_original(prepared: AnnData):
    adata = prepared.copy()
    # the split and the representation are made on the copy, too
    del adata.obs["split"], adata.obsm["X_cellot"], adata.uns["X_cellot"]
    before = adata.copy()
    out = cs.tl.cellot(adata, solver="identity", copy=True)
    assert out is not None
    assert "cellot" in out.uns
    assert "split" in out.obs
    assert "X_cellot" in out.obsm
    assert_untouched(adata, before)


def test_nothing_is_written_but_what_is_said(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="identity")
    del adata.uns["cellot"]
    assert_untouched(adata, prepared)


def test_labels_may_be_plain_text(prepared: AnnData):
    adata = prepared.copy()
    adata.obs["perturbation"] = adata.obs["perturbation"].astype("str")
    cs.tl.cellot(adata, solver="mean_shift")
    assert cs.tl.predict(adata, "drug_a").obs["perturbation"].unique().tolist() == ["drug_a"]


def test_other_names_of_column_and_control(prepared: AnnData):
    adata = prepared.copy()
    adata.obs["condition"] = adata.obs["perturbation"].astype(str).replace({"control": "DMSO"})
    del adata.obs["perturbation"]
    cs.tl.cellot(adata, "condition", "DMSO", solver="mean_shift")
    assert cs.tl.predict(adata, "drug_a").obs["condition"].unique().tolist() == ["drug_a"]


class TestRepresentation:
    def test_components_that_have_seen_test_cells_are_taken_where_there_is_nothing_else(
        self, prepared: AnnData, caplog: pytest.LogCaptureFixture
    ):
        adata = prepared.copy()
        adata.obsm["X_pca"] = np.array(adata.obsm["X_cellot"][:, :3])
        cs.tl.cellot(adata, solver="identity")
        assert cs.tl.maps(adata).fit.use_rep == "X_cellot"
        assert "left aside" not in caplog.text
        del adata.obsm["X_cellot"], adata.uns["X_cellot"]
        cs.tl.cellot(adata, solver="identity")
        assert cs.tl.maps(adata).fit.use_rep == "X_cellot"
        assert "obsm['X_pca'] has seen test cells and is left aside: give use_rep='X_pca' to use it" in caplog.text
        points = AnnData(obs=prepared.obs.copy(), obsm={"X_pca": adata.obsm["X_pca"]})
        cs.tl.cellot(points, solver="identity")
        assert cs.tl.maps(points)["drug_a"].n_dims == 3

    def test_expression_itself(self, prepared: AnnData):
        adata = prepared.copy()
        cs.tl.cellot(adata, use_rep="X", solver="mean_shift")
        assert cs.tl.maps(adata)["drug_a"].n_dims == adata.n_vars


class TestWeights:
    def test_labels_of_identity_weigh_the_dimensions_that_tell_them_apart(self, prepared: AnnData):
        adata = prepared.copy()
        x = np.random.default_rng(0).normal(size=(adata.n_obs, 2)).astype(np.float32)
        x[:, 0] += 10 * adata.obs["cell_type"].cat.codes
        # only control train cells count
        treated = (adata.obs["perturbation"] != "control").to_numpy()
        x[treated, 1] += 10 * adata.obs["cell_type"].cat.codes.to_numpy()[treated]
        adata.obsm["two"] = x
        cs.tl.cellot(adata, use_rep="two", solver="gaussian", feature_weights="cell_type")
        fitted = cs.tl.maps(adata)["drug_a"]
        assert isinstance(fitted, WeightedMap)
        assert 1.9 < fitted.weights[0] <= 2
        assert 1 <= fitted.weights[1] < 1.1

    def test_column_of_var(self, prepared: AnnData):
        adata = prepared.copy()
        adata.var["importance"] = np.arange(1, adata.n_vars + 1)
        cs.tl.cellot(adata, use_rep="X", solver="gaussian", feature_weights="importance")
        fitted = cs.tl.maps(adata)["drug_a"]
        assert isinstance(fitted, WeightedMap)
        np.testing.assert_array_equal(fitted.weights, adata.var["importance"])

    def test_all_ones_change_nothing_of_a_network(self, prepared: AnnData, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("cellot_sc.ot._loop.lack_of_fit.explains", lambda *_: False)
        monkeypatch.setattr("cellot_sc.ot._solvers.icnn._choose", lambda start, members, *judged, **kept: members[0])
        plain, ones = prepared.copy(), prepared.copy()
        cs.tl.cellot(plain, targets="drug_a", **QUICK)
        cs.tl.cellot(ones, targets="drug_a", feature_weights=[1] * 8, **QUICK)
        np.testing.assert_array_equal(cs.tl.predict(plain).X, cs.tl.predict(ones).X)

    def test_all_ones_change_nothing_to_the_bit(self, prepared: AnnData):
        plain, ones = prepared.copy(), prepared.copy()
        cs.tl.cellot(plain, solver="gaussian")
        cs.tl.cellot(ones, solver="gaussian", feature_weights=np.ones(8))
        x = prepared.obsm["X_cellot"]
        for name in ("drug_a", "drug_b"):
            a, b = (cs.tl.maps(data)[name].transport(x) for data in (plain, ones))
            np.testing.assert_array_equal(a, b)

    def test_the_map_is_optimal_for_the_weighted_cost(self, prepared: AnnData):
        weights = np.linspace(0.5, 3, 8)
        adata = prepared.copy()
        cs.tl.cellot(adata, targets="drug_a", solver="gaussian", feature_weights=weights)
        fitted = cs.tl.maps(adata)["drug_a"]
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
        ({"targets": ["drug_a", "drug_a"]}, ValueError, "targets names one twice"),
        ({"use_rep": "X_celot"}, KeyError, "Did you mean 'X_cellot'"),
        ({"solver": "icn"}, ValueError, "Did you mean 'icnn'"),
        ({"context": "patent"}, KeyError, "Did you mean 'patient'"),
        ({"solver": "icnn", "n_step": 3}, TypeError, "Did you mean 'n_steps'"),
        ({"solver": "icnn", "n_steps": 0}, ValueError, "n_steps is 0; a positive whole number"),
        ({"solver": "icnn", "batch_size": -1}, ValueError, "batch_size is -1"),
        ({"targets": "control"}, ValueError, "target 'control' is unknown"),
        ({"use_rep": "cube"}, ValueError, r"use_rep 'cube' has shape \(600, 2, 2\); \(n_cells, n_dims\) is needed"),
        ({"split_key": "patient"}, ValueError, "has labels that are no split"),
        ({"split_key": "splti"}, KeyError, "'splti' is not in adata.obs"),
        ({"perturbation_key": "gaps"}, ValueError, "'gaps'.* is missing for 1 cells"),
        ({"seed": -1}, ValueError, "seed is -1; a whole number"),
        ({"seed": 0.5}, ValueError, "seed is 0.5; a whole number"),
        ({"key_added": "X_cellot"}, ValueError, "'X_cellot' would overwrite the decoder"),
        ({"solver": "gaussian", "n_steps": 3}, TypeError, "solver 'gaussian' has no option 'n_steps'"),
        ({"solver": "icnn", "resume": True}, ValueError, "needs the checkpoint_dir"),
        ({"feature_weights": ["a"] * 8}, ValueError, "are no numbers: 8 positive finite numbers"),
        ({"feature_weights": np.ones(3)}, ValueError, "8 positive finite numbers"),
        ({"feature_weights": np.zeros(8)}, ValueError, "8 positive finite numbers"),
        ({"feature_weights": "cell_typ"}, KeyError, "Did you mean 'cell_type'"),
    ],
)
def test_bad_input_leaves_everything_as_it_was(
    prepared: AnnData, change: dict[str, Any], error: type[Exception], message: str
):
    adata = prepared.copy()
    adata.obsm["cube"] = np.zeros((600, 2, 2))
    adata.obs["gaps"] = adata.obs["patient"].where(adata.obs_names != "cell_7")
    before = adata.copy()
    with pytest.raises(error, match=message):
        cs.tl.cellot(adata, **({"solver": "gaussian"} | change))
    assert_untouched(adata, before)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(prepared: AnnData, value: float):
    adata = prepared.copy()
    row = np.flatnonzero((adata.obs["split"] == "train") & (adata.obs["perturbation"] == "control"))[0]
    adata.obsm["X_cellot"][row, 1] = value
    before = adata.copy()
    with pytest.raises(ValueError, match="use_rep 'X_cellot' holds NaN or inf in 1 of"):
        cs.tl.cellot(adata, solver="gaussian")
    assert_untouched(adata, before)


def test_too_few_train_cells(prepared: AnnData):
    adata = prepared.copy()
    drug = adata.obs["perturbation"] == "drug_a"
    adata.obs.loc[adata.obs_names[drug][9:], "split"] = "test"
    adata.obs.loc[adata.obs_names[drug][:9], "split"] = "train"
    before = adata.copy()
    with pytest.raises(ValueError, match=r"of 'drug_a' \(9\); at least 10 are needed: leave these out"):
        cs.tl.cellot(adata, targets=["drug_b", "drug_a"], solver="gaussian")
    assert_untouched(adata, before)


def test_error_on_the_way_leaves_no_split_and_no_representation(simulated: AnnData):
    adata = simulated.copy()
    few = np.r_[:200, 200:205, 400:600]
    adata = adata[few].copy()
    before = adata.copy()
    with pytest.raises(ValueError, match="train cells of 'drug_a' .*; at least 10 are needed"):
        cs.tl.cellot(adata, targets="drug_a", solver="gaussian")
    assert_untouched(adata, before)
    adata = simulated.copy()
    adata.X.data[5] = np.nan
    before = adata.copy()
    with pytest.raises(ValueError, match="adata.X holds NaN or inf"):
        cs.tl.cellot(adata, solver="gaussian")
    assert adata.obs.columns.equals(before.obs.columns)
    assert not adata.obsm
    assert list(adata.uns) == list(before.uns)


def test_only_controls(prepared: AnnData):
    adata = prepared[prepared.obs["perturbation"] == "control"].copy()
    with pytest.raises(ValueError, match="there is no perturbation to learn"):
        cs.tl.cellot(adata, solver="gaussian")


def test_without_validation_cells(prepared: AnnData):
    adata = prepared.copy()
    adata.obs["split"] = adata.obs["split"].astype(str).replace({"valid": "train"})
    cs.tl.cellot(adata, targets="drug_a", **QUICK)
    predicted = cs.tl.predict(adata, "drug_a", decode=False)
    assert np.isfinite(predicted.X).all()


@pytest.mark.parametrize("solver", sorted(set(SOLVERS) - {"paper", "expectile", "monge_gap", "neural_dual"}))
def test_same_seed_same_map_to_the_bit(prepared: AnnData, solver: str):
    options = {"icnn": QUICK, "scgen": {"n_steps": 50}, "cae": {"n_steps": 50}}.get(solver, {})
    x = prepared.obsm["X_cellot"]
    moved = []
    for _ in range(2):
        adata = prepared.copy()
        cs.tl.cellot(adata, targets="drug_a", seed=5, **({"solver": solver} | options))
        moved.append(cs.tl.maps(adata)["drug_a"].transport(x))
    np.testing.assert_array_equal(moved[0], moved[1])


class TestConditionsOfFewCells:
    @pytest.fixture
    def rare(self, simulated: AnnData) -> AnnData:
        adata = simulated.copy()
        labels = adata.obs["perturbation"].astype(object)
        labels.iloc[0], labels.iloc[1:4] = "rare_1", "rare_2"
        adata.obs["perturbation"] = labels
        return adata

    def test_that_were_not_named_are_left_out(self, rare: AnnData, caplog: pytest.LogCaptureFixture):
        cs.tl.cellot(rare, solver="mean_shift")
        assert list(cs.tl.maps(rare)) == ["drug_a", "drug_b"]
        assert "has fewer than 10 train cells of 'rare_1' (0), 'rare_2' (0): left out" in caplog.text

    def test_that_were_not_named_stop_nothing(self, rare: AnnData):
        cs.tl.cellot(rare, targets=["drug_a"], solver="mean_shift")
        assert list(cs.tl.maps(rare)) == ["drug_a"]
        assert set(cs.tl.evaluate(rare, metrics="l2_means", n_boot=0)["perturbation"]) == {"drug_a"}

    def test_that_were_named_are_refused_in_one_sentence(self, rare: AnnData):
        before = rare.copy()
        with pytest.raises(
            ValueError, match=r"'rare_1' \(0\), 'rare_2' \(0\); at least 10 are needed: leave these out"
        ):
            cs.tl.cellot(rare, targets=["rare_1", "drug_a", "rare_2"], solver="mean_shift")
        assert_untouched(rare, before)


@pytest.mark.parametrize("control", [["control", "drug_b"], ("control",), None])
def test_one_control(prepared: AnnData, control: Any):
    with pytest.raises(TypeError, match="control is .*; one label is needed"):
        cs.tl.cellot(prepared, control=control)


@pytest.mark.parametrize("name", ["perturbation_key", "split_key"])
def test_keys_are_names(prepared: AnnData, name: str):
    arguments: dict[str, Any] = {name: ["perturbation"]}
    with pytest.raises(TypeError, match=rf"{name} is \['perturbation'\]; text"):
        cs.tl.cellot(prepared, solver="mean_shift", **arguments)

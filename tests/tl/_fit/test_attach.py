from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs

CONTEXT = ["cell_type", "patient"]


@pytest.fixture(scope="module")
def adata() -> AnnData:
    found = cs.datasets.simulate(1200, 60, perturbations=["drug"], n_patients=6)
    cs.pp.split(found, holdout={"patient": "patient_0"})
    cs.pp.represent(found, n_components=10)
    cs.tl.cellot(found, solver="group_gaussian", context=CONTEXT)
    cs.tl.cellot(found, solver="gaussian", key_added="pooled")
    return found


@pytest.fixture(scope="module")
def model(adata: AnnData) -> cs.Model:
    return cs.Model.of(adata)


@pytest.fixture(scope="module")
def pooled(adata: AnnData) -> cs.Model:
    return cs.Model.of(adata, "pooled")


@pytest.fixture
def new(adata: AnnData) -> AnnData:
    cells = adata[adata.obs["patient"] == "patient_0"]
    obs = cells.obs.drop(columns="split").assign(cell_type=cells.obs["cell_type"].astype(str))
    return AnnData(cells.to_df().to_numpy(), obs=obs, var=cells.var)


def test_verbs_say_there_what_they_say_in_the_file_of_the_fit(adata: AnnData, model: cs.Model, new: AnnData):
    cs.tl.attach(new, model)
    here = adata[adata.obs["patient"] == "patient_0"].obs_names
    expected = cs.tl.predict(adata, "drug", cells=[name for name in here if name in control_names(new)])
    np.testing.assert_allclose(cs.tl.predict(new, "drug").X, expected.X, atol=1e-5)
    found, judged = (
        cs.tl.evaluate(of, split=split, metrics="energy_distance", floor="identity", n_boot=0).set_index(
            ["model", "metric", "group"]
        )["value"]
        for of, split in ((new, "test"), (adata, "ood"))
    )
    assert {"group_gaussian", "identity", "mean_shift", "gaussian", "group_shift"} < {*found.index.get_level_values(0)}
    # halves of observed cells are drawn in the order of the file
    found, judged = (of.sort_index().drop("observed", level="model") for of in (found, judged))
    np.testing.assert_allclose(found, judged, atol=1e-4)
    cost = cs.tl.transport_cost(new, groupby="cell_type", n_boot=0)
    assert (cost["cost"] > 0).all() and cost["null"].notna().all()
    assert cs.tl.subpopulation_effects(new, "cell_type")["effect"].notna().all()
    cs.pl.displacement(new, "drug", show=False)


def control_names(adata: AnnData) -> set[str]:
    return set(adata.obs_names[adata.obs["perturbation"] == "control"])


def test_what_is_written_is_said(model: cs.Model, new: AnnData, caplog: pytest.LogCaptureFixture):
    before = new.copy()
    with caplog.at_level(logging.INFO, "cellot_sc"):
        cs.tl.attach(new, model)
    assert "added obs['split'], obsm['X_cellot'], uns['cellot'] with 1 map" in caplog.messages
    assert set(new.obs) - set(before.obs) == {"split"} and set(new.obs["split"]) == {"test"}
    assert set(new.uns) == {"X_cellot", "cellot"}
    np.testing.assert_array_equal(new.X, before.X)
    copied = cs.tl.attach(before, model, copy=True)
    assert copied is not None and "cellot" not in before.uns and "cellot" in copied.uns
    assert "obs['patient'] has 1 category that the model does not know: 'patient_0'" in caplog.messages


def test_no_column_of_perturbations_means_that_no_cell_is_treated(
    pooled: cs.Model, new: AnnData, caplog: pytest.LogCaptureFixture
):
    bare = AnnData(new.X, obs=new.obs[[]], var=new.var)
    with caplog.at_level(logging.INFO, "cellot_sc"):
        predicted = cs.tl.predict(bare, "drug", model=pooled)
    assert predicted.n_obs == new.n_obs and set(predicted.obs["perturbation"]) == {"drug"}
    assert "no obs['perturbation']: all cells are taken for 'control'" in caplog.messages
    assert list(bare.obs) == [] and not bare.uns and not bare.obsm


def test_the_control_may_have_another_name_and_column(pooled: cs.Model, new: AnnData):
    expected = cs.tl.predict(new, "drug", model=pooled)
    new.obs["arm"] = new.obs["perturbation"].astype(str).replace("control", "DMSO")
    del new.obs["perturbation"]
    found = cs.tl.predict(new, "drug", model=pooled, perturbation_key="arm", control="DMSO")
    np.testing.assert_array_equal(found.X, expected.X)
    assert set(found.obs["arm"]) == {"drug"}
    cs.tl.attach(new, pooled, perturbation_key="arm", control="DMSO")
    np.testing.assert_array_equal(cs.tl.predict(new, "drug").X, expected.X)
    assert cs.tl.maps(new).fit.control == "DMSO"


def test_cells_may_be_chosen_whatever_they_are_called(pooled: cs.Model, new: AnnData):
    expected = cs.tl.predict(new, "drug", model=pooled)
    chosen = new.obs["perturbation"] == "control"
    new.obs["perturbation"] = "unknown"
    found = cs.tl.predict(new, "drug", model=pooled, cells=chosen)
    np.testing.assert_array_equal(found.X, expected.X)


def test_genes_in_a_column_of_var(pooled: cs.Model, new: AnnData):
    expected = cs.tl.predict(new, "drug", model=pooled)
    renamed = new.copy()
    renamed.var["symbol"] = renamed.var_names
    renamed.var_names = [f"ENSG{i:05d}" for i in range(renamed.n_vars)]
    found = cs.tl.predict(renamed, "drug", model=pooled, gene_key="symbol")
    np.testing.assert_array_equal(found.X, expected.X)
    assert found.var_names.tolist() == expected.var_names.tolist()
    with pytest.raises(ValueError, match=r"gene_key='symbol'"):
        cs.tl.predict(renamed, "drug", model=pooled)
    cs.tl.attach(renamed, pooled, gene_key="symbol")
    np.testing.assert_allclose(cs.tl.predict(renamed, "drug")[:, 0].X, expected[:, 0].X, atol=1e-6)


def test_more_genes_are_left_aside_and_missing_ones_filled(
    pooled: cs.Model, new: AnnData, caplog: pytest.LogCaptureFixture
):
    expected = cs.tl.predict(new, "drug", model=pooled)
    more = AnnData(np.hstack([np.ones((new.n_obs, 2), np.float32), new.X]), obs=new.obs)
    more.var_names = ["other", "another", *new.var_names]
    np.testing.assert_allclose(cs.tl.predict(more, "drug", model=pooled).X, expected.X, atol=1e-6)
    assert pooled.reference is not None
    light = new.var_names[np.argsort(pooled.reference.weight)[:3]]
    fewer = new[:, ~new.var_names.isin(light)].copy()
    with caplog.at_level(logging.INFO, "cellot_sc"):
        found = cs.tl.predict(fewer, "drug", model=pooled)
    assert any(message.startswith("3 of 60 genes are missing") for message in caplog.messages)
    assert found.var_names.tolist() == expected.var_names.tolist()
    moved = np.linalg.norm(expected.obsm["displacement"], axis=1).mean()
    assert np.linalg.norm(found.obsm["X_cellot"] - expected.obsm["X_cellot"], axis=1).mean() < 0.2 * moved
    cs.tl.attach(fewer, pooled)
    assert cs.tl.predict(fewer, "drug").n_vars == 60
    cs.tl.evaluate(fewer, metrics="energy_distance", space="genes", n_boot=0)


def test_maps_on_genes(adata: AnnData, new: AnnData):
    fitted = adata.copy()
    cs.tl.cellot(fitted, solver="gaussian", use_rep="X")
    made = cs.Model.of(fitted)
    assert made.decoder is None and "in 60 dimensions, 60 genes" in repr(made)
    expected = cs.tl.predict(fitted, "drug", cells=list(control_names(new))).to_df()
    order = np.random.default_rng(1).permutation(60)
    found = cs.tl.predict(new[:, order].copy(), "drug", model=made).to_df()
    np.testing.assert_allclose(found.loc[expected.index, expected.columns], expected, atol=1e-4)
    fewer = new[:, 1:].copy()
    assert made.reference is not None
    if made.reference.weight[0] < 0.2:
        assert cs.tl.predict(fewer, "drug", model=made).n_vars == 60
        with pytest.raises(ValueError, match="such as 'gene_00': there is no column of X for them"):
            cs.tl.attach(fewer, made)
    shuffled = new[:, order].copy()
    cs.tl.attach(shuffled, made)
    again = cs.tl.predict(shuffled, "drug").to_df()
    np.testing.assert_allclose(again.loc[expected.index, expected.columns], expected, atol=1e-4)


def test_a_latent_of_another_package_has_to_be_given(adata: AnnData, new: AnnData):
    fitted = AnnData(obs=adata.obs, obsm={"X_scVI": np.asarray(adata.obsm["X_cellot"])})
    cs.tl.cellot(fitted, solver="gaussian", use_rep="X_scVI")
    made = cs.Model.of(fitted)
    assert "obsm['X_scVI'], which is to be given" in repr(made)
    with pytest.raises(KeyError, match=r"X_scVI.*get_latent_representation"):
        cs.tl.predict(new, "drug", model=made)
    new.obsm["X_scVI"] = np.asarray(adata[new.obs_names].obsm["X_cellot"])
    names = sorted(control_names(new))
    np.testing.assert_allclose(
        cs.tl.predict(new, "drug", model=made)[names].X, cs.tl.predict(fitted, "drug", cells=names).X, atol=1e-6
    )


@pytest.mark.parametrize("rename", ["other name", "other case", "number"])
def test_contexts_that_are_called_otherwise(model: cs.Model, new: AnnData, rename: str):
    expected = cs.tl.predict(new, "drug", model=model)
    names = {"other name": "monocyte", "other case": "TYPE_0", "number": "7"}
    renamed = new.copy()
    renamed.obs["cell_type"] = renamed.obs["cell_type"].replace("type_0", names[rename])
    unknown = cs.tl.predict(renamed, "drug", model=model)
    found = cs.tl.predict(renamed, "drug", model=model, context_map={names[rename]: "type_0"})
    np.testing.assert_array_equal(found.X, expected.X)
    of_type = (new[found.obs_names].obs["cell_type"] == "type_0").to_numpy()
    assert np.abs(unknown.X - expected.X)[of_type].max() > 0.01
    np.testing.assert_allclose(unknown.X[~of_type], expected.X[~of_type], atol=1e-6)
    assert (renamed.obs["cell_type"] == names[rename]).any() and "cellot_cell_type" not in renamed.obs


def test_unknown_contexts_are_listed_with_the_nearest(model: cs.Model, new: AnnData, caplog: pytest.LogCaptureFixture):
    new.obs["cell_type"] = new.obs["cell_type"].replace("type_0", "Type 0")
    with caplog.at_level(logging.INFO, "cellot_sc"):
        cs.tl.predict(new, "drug", model=model)
    [line] = [message for message in caplog.messages if message.startswith("obs['cell_type']")]
    assert line == (
        "obs['cell_type'] has 1 category that the model does not know: 'Type 0' (nearest: 'type_0'); if these are the "
        "same, give context_map={'Type 0': 'type_0'}"
    )
    assert any(
        "without a map of their own" in message or "follow that of all" in message for message in caplog.messages
    )


def test_without_a_column_of_contexts_all_cells_follow_the_parent(
    model: cs.Model, new: AnnData, caplog: pytest.LogCaptureFixture
):
    del new.obs["cell_type"]
    with caplog.at_level(logging.INFO, "cellot_sc"):
        found = cs.tl.predict(new, "drug", model=model)
    assert "no obs['cell_type']: no cell has a map of its own category in it" in caplog.messages
    controls = new.obs["perturbation"] == "control"
    parent = cs.tl.predict(new, "drug", model=model).obsm["X_cellot"]
    assert controls.sum() == found.n_obs
    np.testing.assert_array_equal(found.obsm["X_cellot"], parent)
    cs.tl.attach(new, model)
    assert new.obs["cellot_cell_type"].isna().all()


def scaled(adata: AnnData) -> AnnData:
    x = adata.to_df().to_numpy()
    return AnnData(x - x.mean(axis=0), obs=adata.obs, var=adata.var)


def counts(adata: AnnData) -> AnnData:
    x = np.random.default_rng(0).poisson(3, adata.shape).astype(np.float32)
    return AnnData(x, obs=adata.obs, var=adata.var)


def renamed(adata: AnnData) -> AnnData:
    out = adata.copy()
    out.var_names = [name.upper() for name in out.var_names]
    return out


def unlike(adata: AnnData) -> AnnData:
    out = adata.copy()
    out.var_names = [f"y{i}" for i in range(out.n_vars)]
    return out


def hollow(adata: AnnData) -> AnnData:
    out = adata.copy()
    out.X[0, 0] = np.nan
    return out


def few(adata: AnnData) -> AnnData:
    return adata[:, :20].copy()


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (counts, {}, "whole numbers only, as counts do"),
        (scaled, {}, "scaled or centred"),
        (renamed, {}, "case"),
        (unlike, {}, "0 of the 60 genes"),
        (few, {}, "20 of the 60 genes"),
        (hollow, {}, "NaN or inf"),
        (None, {"control": "nothing"}, "'nothing'"),
        (None, {"control": "drug"}, "is a perturbation of the model"),
        (None, {"perturbation_key": "treatment"}, "perturbation_key 'treatment' is not in adata.obs"),
        (None, {"gene_key": "symbol"}, "symbol"),
        (None, {"context_map": {"a": "type_9"}}, "context 'type_9' is unknown"),
        (None, {"context_map": {"a": "type_1"}}, "no cell is of 'a'"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence_and_left_as_it_was(
    model: cs.Model, new: AnnData, change: Callable[[AnnData], AnnData] | None, options: dict[str, Any], words: str
):
    given = new if change is None else change(new)
    before = given.copy()
    for verb in (
        lambda: cs.tl.predict(given, "drug", model=model, **options),
        lambda: cs.tl.attach(given, model, **options),
    ):
        with pytest.raises((ValueError, KeyError), match=words) as error:
            verb()
        assert len(str(error.value).splitlines()) == 1
    pd.testing.assert_frame_equal(given.obs, before.obs)
    assert not given.uns and not given.obsm
    np.testing.assert_array_equal(given.X, before.X)


def test_what_is_about_other_cells_needs_a_model(adata: AnnData):
    with pytest.raises(ValueError, match="gene_key and context_map say how other cells are read: give model, too"):
        cs.tl.predict(adata, "drug", gene_key="symbol", context_map={"a": "b"})


def test_units_and_other_baselines_are_not_served(model: cs.Model, new: AnnData):
    cs.tl.attach(new, model)
    with pytest.raises(ValueError, match="unit= needs the cells that the maps were fitted to"):
        cs.tl.transport_cost(new, unit="patient")
    with pytest.raises(ValueError, match="mean_shift"):
        cs.tl.evaluate(new, baselines=["popalign"])


def test_what_var_knows_survives_missing_genes(pooled: cs.Model, new: AnnData, tmp_path: Path):
    assert pooled.reference is not None
    new.var = pd.DataFrame(
        {"mt": True, "n": 3, "mean": 0.5, "kind": pd.Categorical(["a"] * 60), "name": [f"n{i}" for i in range(60)]},
        index=new.var_names,
    )
    gone = new.var_names[np.argsort(pooled.reference.weight)[0]]
    predicted = cs.tl.predict(new[:, new.var_names != gone].copy(), "drug", model=pooled)
    assert predicted.var.loc[gone].isna().all() and predicted.var.drop(gone).notna().all(axis=None)
    predicted.write_h5ad(tmp_path / "predicted.h5ad")
    read = anndata.read_h5ad(tmp_path / "predicted.h5ad")
    assert read.var["mt"].sum() == 59 and read.var["n"].sum() == 3 * 59


def test_what_is_replaced_is_said(pooled: cs.Model, new: AnnData, caplog: pytest.LogCaptureFixture):
    cs.pp.split(new)
    cs.pp.represent(new, n_components=5)
    cs.tl.cellot(new, solver="mean_shift")
    cs.tl.cellot(new, solver="mean_shift", key_added="mine")
    before = new.obs["split"].copy()
    caplog.clear()
    with caplog.at_level(logging.WARNING, "cellot_sc"):
        cs.tl.attach(new, pooled)
    assert caplog.messages == [
        "the maps in uns['mine'] were fitted in the former obsm['X_cellot']: fit them again",
        "obsm['X_cellot'], the maps in uns['cellot']: what was there is replaced by what the model has",
    ]
    pd.testing.assert_series_equal(new.obs["split"], before)
    assert set(new.obs["cellot_split"]) == {"test"}
    caplog.clear()
    with caplog.at_level(logging.WARNING, "cellot_sc"):
        cs.tl.attach(new, pooled)
    assert caplog.messages == []
    assert cs.tl.evaluate(new, metrics="energy_distance", n_boot=0)["n_cells"].max() == 100


def test_a_split_of_another_meaning_is_left_alone(pooled: cs.Model, new: AnnData):
    new.obs["split"] = "A"
    cs.tl.attach(new, pooled)
    assert set(new.obs["split"]) == {"A"} and set(new.obs["cellot_split"]) == {"test"}
    cs.tl.mmd(new, n_boot=0)


def test_treated_cells_are_not_taken_for_controls(pooled: cs.Model, new: AnnData):
    new.obs["stim"] = new.obs.pop("perturbation")
    with pytest.raises(ValueError, match="and obs\\['stim'\\] has 'control' and 'drug': give perturbation_key='stim'"):
        cs.tl.predict(new, "drug", model=pooled)
    assert cs.tl.predict(new, "drug", model=pooled, cells=new.obs["stim"] == "control").n_obs == 100


def test_contexts_of_another_column(model: cs.Model, new: AnnData):
    with pytest.raises(
        ValueError, match=r"'type_1' is a category of obs\['cell_type'\], and 'patient_1' a context of an"
    ):
        cs.tl.predict(new, "drug", model=model, context_map={"type_1": "patient_1"})


def test_the_layer_that_was_learnt_from_has_to_be_there(adata: AnnData, new: AnnData):
    fitted = adata.copy()
    fitted.layers["ln"] = fitted.X
    cs.pp.represent(fitted, layer="ln", n_components=10)
    cs.tl.cellot(fitted, solver="gaussian")
    made = cs.Model.of(fitted)
    with pytest.raises(KeyError, match=r"the model reads adata\.layers\['ln'\].*adata\.layers\['ln'\] = adata\.X"):
        cs.tl.predict(new, "drug", model=made)
    new.layers["ln"] = new.X
    assert "ln" in cs.tl.predict(new, "drug", model=made).layers


def test_a_time_course_is_attached_where_its_verbs_look(tmp_path: Path):
    course = cs.datasets.simulate_branching(600, 30)
    cs.pp.split(course, "time", control="0")
    cs.pp.represent(course, n_components=5)
    cs.tl.trajectory(course, solver="gaussian")
    made = cs.Model.of(course, "trajectory")
    other = AnnData(course.X, obs=course.obs[["time"]], var=course.var)
    predicted = cs.tl.predict(other, made.fitted.fit.targets[-1], model=made)
    assert predicted.obs["cellot_support"].between(0, 1).all() and predicted.obs["cellot_support"].median() > 0.1
    cs.tl.attach(other, made)
    cs.pl.trajectory(other, show=False)

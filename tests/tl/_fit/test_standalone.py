from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import ot
from cellot_sc.tl._fit import store
from cellot_sc.tl._fit.few_cells import pooled_contexts
from cellot_sc.tl._fit.held_cells import holds_cells
from cellot_sc.tl._fit.standalone import standalone

CONTEXT = ["cell_type", "patient"]


def elsewhere(adata: AnnData) -> AnnData:
    """Return test cells in an AnnData of their own, with what is kept of the fit and none of its cells."""
    new = adata[adata.obs["split"] == "test"].copy()
    new.uns = {"X_cellot": adata.uns["X_cellot"]}
    new.obs["split"] = "ood"
    store.save(new, "cellot", standalone(cs.tl.maps(adata), adata))
    return new


@pytest.fixture(scope="module")
def typed(prepared: AnnData) -> AnnData:
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="group_gaussian", context=CONTEXT)
    return adata


def latent(adata: AnnData) -> np.ndarray:
    return np.asarray(adata.obsm["X_cellot"])[adata.obs["split"].isin(["train", "valid"])]


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_survives_writing_and_reading(fitted: AnnData, tmp_path: Path, suffix: str):
    new = elsewhere(fitted)
    path = tmp_path / f"new.{suffix}"
    getattr(new, f"write_{suffix}")(path)
    read = getattr(anndata, f"read_{suffix}")(path)
    before, after = cs.tl.maps(new), cs.tl.maps(read)
    assert before.digest == after.digest != cs.tl.maps(fitted).digest
    assert after.is_standalone and after.null is not None and after.null.n_maps == 50
    assert {solver: [*maps] for solver, maps in after.baselines.items()} == {
        "identity": ["drug_a", "drug_b"],
        "mean_shift": ["drug_a", "drug_b"],
    }
    assert after.fit.cells == () and after.fit.origin is not None and not len(after.fit.origin.marks.names)
    np.testing.assert_array_equal(cs.tl.predict(read, "drug_a").X, cs.tl.predict(new, "drug_a").X)
    read.uns["cellot"]["baselines"]["1"]["maps"]["0"]["shift"][0] += 1
    with pytest.raises(ValueError, match="they, or the order of their targets, have been changed"):
        cs.tl.maps(read)


@pytest.mark.parametrize(("solver", "options"), [("gaussian", {}), ("popalign", {"n_components": (1,)})])
def test_what_was_made_beforehand_is_what_is_made_now(prepared: AnnData, solver: str, options: dict[str, Any]):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver=solver, **options)
    store.save(adata, "model", standalone(cs.tl.maps(adata), adata))
    for verb in (
        lambda key: cs.tl.transport_cost(adata, key=key, groupby="cell_type"),
        lambda key: cs.tl.subpopulation_effects(adata, "cell_type", key=key),
        lambda key: cs.tl.evaluate(adata, key=key, split="valid", metrics="energy_distance", n_boot=0),
    ):
        pd.testing.assert_frame_equal(verb("cellot"), verb("model"), rtol=1e-6)
    now, kept = (cs.tl.perturbation_similarity(adata, key=key) for key in ("cellot", "model"))
    np.testing.assert_allclose(now, kept, rtol=1e-6)


def test_scores_of_contexts_are_those_of_the_fit(typed: AnnData):
    asked: dict[str, Any] = {"metrics": "energy_distance", "groupby": "cell_type", "n_boot": 0}
    new = elsewhere(typed)
    tables = [cs.tl.evaluate(typed, split="test", **asked), cs.tl.evaluate(new, split="ood", **asked)]
    there, here = (
        table[(table["metric"] == "energy_distance") & (table["model"] != "observed") & (table["group"] != "equal")]
        .set_index(["model", "perturbation", "group"])["value"]
        .sort_index()
        for table in tables
    )
    assert set(here.index.get_level_values("model")) == {
        *("identity", "mean_shift", "gaussian", "group_shift", "group_gaussian")
    }
    # of types with few cells, a shift is not kept
    same = here.index.get_level_values("model") != "group_shift"
    pd.testing.assert_series_equal(there[same], here[same], rtol=1e-4, atol=1e-5)
    assert tables[1]["value"][tables[1]["model"] == "observed"].notna().all()


def test_verbs_need_no_train_cell(typed: AnnData, tmp_path: Path):
    new = elsewhere(typed)
    n_control = int((new.obs["perturbation"] == "control").sum())
    assert cs.tl.transport_cost(new, groupby="cell_type")["null"].gt(0).all()
    assert cs.tl.subpopulation_effects(new, "cell_type")["se"].gt(0).all()
    assert len(cs.tl.responders(new, "gene_38")) == 2 * n_control
    assert cs.tl.signature(new)["observed"].notna().all()
    assert cs.tl.perturbation_similarity(new).shape == (2, 2)
    assert cs.tl.abundance_shift(new, "cell_type", unit="patient")["fraction"].notna().all()
    assert cs.tl.mmd(new, split="ood", n_boot=0)["value"].notna().any()
    assert cs.tl.evaluate(new, split="ood", unit="patient", groupby="cell_type", n_boot=5)["ci_low"].notna().any()
    assert cs.tl.export_cell_eval(new, tmp_path, split="ood").predicted.exists()
    cs.tl.effect_clusters(new)
    cs.pl.effect_clusters(new, show=False)
    cs.pl.marginals(new, split="ood", show=False)
    cs.pl.displacement(new, "drug_a", split="ood", show=False)


def test_what_needs_train_cells_says_so(fitted: AnnData):
    new = elsewhere(fitted)
    for verb in (
        lambda: cs.tl.transport_cost(new, unit="patient"),
        lambda: cs.tl.signature(new, unit="patient"),
        lambda: cs.tl.subpopulation_effects(new, "cell_type", unit="patient"),
    ):
        with pytest.raises(ValueError, match=r"^unit= needs the cells that the maps were fitted to, which a model"):
            verb()
    with pytest.raises(ValueError, match=r"^n_markers= needs the cells .* in the AnnData of the fit\.$"):
        cs.tl.evaluate(new, split="ood", n_markers=5, space="genes")
    with pytest.raises(ValueError, match="baseline 'popalign' needs .* it keeps 'identity', 'mean_shift'"):
        cs.tl.evaluate(new, split="ood", baselines=["mean_shift", "popalign"])
    assert set(cs.tl.evaluate(new, split="ood", baselines=[], n_boot=0)["model"]) == {
        "identity",
        "gaussian",
        "observed",
    }
    fit = cs.tl.maps(new).fit
    for again in (lambda: fit.problems(new), lambda: fit.refit(new, ["mean_shift"], ["drug_a"])):
        with pytest.raises(ValueError, match="no cell here was fitted to: the maps come from a model"):
            again()


def test_test_cells_of_another_file_are_halved_for_their_ceiling(fitted: AnnData):
    new = elsewhere(fitted)
    new.obs["split"] = "test"
    scores = cs.tl.evaluate(new, groupby="cell_type", metrics="energy_distance", n_boot=0)
    assert scores["value"][(scores["model"] == "observed") & (scores["group"] == "all")].notna().all()


def test_maps_that_hold_cells_are_fitted_to_means_of_these(prepared: AnnData, caplog: pytest.LogCaptureFixture):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="entropic", feature_weights=np.arange(1.0, 9.0))
    maps = cs.tl.maps(adata)
    with caplog.at_level("INFO"):
        made = standalone(maps, adata)
    assert caplog.text.count("they are fitted again, to 4 means of at least 20") == 1
    plain = {name: one.state() for name, one in maps.items()}
    assert holds_cells(plain, maps.fit.scaled(latent(adata))) == "drug_a.inner.source"
    kept = {name: one.state() for name, one in made.items()}
    assert holds_cells(kept, maps.fit.scaled(latent(adata))) is None
    assert kept["drug_a"]["inner"]["source"].shape == (4, 8)
    assert set(made.history["perturbation"]) == {"drug_a", "drug_b"}


def test_a_context_of_one_cell_is_not_held_by_its_affine_map(prepared: AnnData):
    adata = prepared.copy()
    patients = adata.obs["patient"].astype(str).to_numpy()
    train = adata.obs["split"] == "train"
    for name in ("control", "drug_a", "drug_b"):
        patients[np.flatnonzero(train & (adata.obs["perturbation"] == name))[:1]] = "alone"
    adata.obs["patient"] = pd.Categorical(patients)
    cs.tl.cellot(adata, solver="group_gaussian", context="patient")
    maps = cs.tl.maps(adata)
    states = {name: one.state() for name, one in maps.items()}
    assert holds_cells(states, latent(adata)) is not None
    made = standalone(maps, adata)
    x, of = np.asarray(adata.obsm["X_cellot"]), patients[:, None]
    for name, one in maps.items():
        np.testing.assert_allclose(made[name].transport(x, of), one.transport(x, of), atol=1e-4)
        np.testing.assert_array_equal(made[name].at("patient_0").transport(x), one.at("patient_0").transport(x))


class _Memory(ot.MeanShiftMap):
    kind = "memory_of_a_test"

    def __init__(self, shift: np.ndarray, seen: np.ndarray) -> None:
        super().__init__(shift)
        self.seen = seen


def test_cells_that_a_map_of_another_package_holds_are_found(fitted: AnnData):
    maps = cs.tl.maps(fitted)
    held: dict[str, ot.TransportMap] = {name: _Memory(np.ones(8), latent(fitted)[10:11].T) for name in maps}
    with pytest.raises(ValueError, match=r"holds a cell that was learnt from, in maps\.drug_a\.seen"):
        standalone(dataclasses.replace(maps, maps=held), fitted)


def test_couplings_are_refused(fitted: AnnData):
    maps = cs.tl.maps(fitted)
    solved = dataclasses.replace(maps, fit=dataclasses.replace(maps.fit, kind="couplings"))
    with pytest.raises(ValueError, match="maps that were made of couplings hold the cells"):
        standalone(solved, fitted)


def test_maps_of_a_course_stand_alone(simulated: AnnData):
    adata = simulated.copy()
    adata.obs["time"] = adata.obs["perturbation"].cat.codes.astype(float)
    cs.tl.trajectory(adata, "time", solver="mean_shift")
    made = standalone(cs.tl.maps(adata, "trajectory"), adata)
    new = adata[adata.obs["split"] == "test"].copy()
    new.uns = {"X_cellot": adata.uns["X_cellot"]}
    store.save(new, "trajectory", made)
    table = cs.tl.transport_cost(new, key="trajectory")
    assert len(table) == 2 and table["null"].gt(0).all()
    assert standalone(made, adata) is made


def test_shifts_of_contexts_with_few_cells_are_not_kept(prepared: AnnData, caplog: pytest.LogCaptureFixture):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="group_shift", context=CONTEXT, targets="drug_a")
    with caplog.at_level("INFO"):
        made = standalone(cs.tl.maps(adata), adata)
    few = pooled_contexts(made["drug_a"])
    assert few and f"{len(few)} contexts have fewer than 20 train cells on either side" in caplog.text
    train = adata.obs[(adata.obs["split"] == "train") & adata.obs["perturbation"].isin(["control", "drug_a"])]
    sizes = train.groupby([*CONTEXT, "perturbation"], observed=True).size().unstack(fill_value=0).min(axis=1)
    assert {path for path in few if len(path) == 2} == set(sizes.index[(sizes > 0) & (sizes < 20)])


def test_labels_with_few_cells_are_left_out_or_refused(prepared: AnnData, caplog: pytest.LogCaptureFixture):
    adata = prepared.copy()
    rows = np.flatnonzero((adata.obs["perturbation"] == "drug_b") & (adata.obs["split"] == "train"))
    keep = np.ones(adata.n_obs, dtype=bool)
    keep[rows[19:]] = False
    few = adata[keep].copy()
    cs.tl.cellot(few, solver="mean_shift")
    assert [*standalone(cs.tl.maps(few), few)] == ["drug_a"]
    assert (
        "'drug_b': fewer than 20 train cells, whose mean would tell of them: the model has no map there" in caplog.text
    )
    cs.tl.cellot(few, solver="mean_shift", targets="drug_b")
    with pytest.raises(ValueError, match=r"'drug_b' has 19 train cells, .*: 20 are needed.*targets="):
        standalone(cs.tl.maps(few), few)
    rows = np.flatnonzero((adata.obs["perturbation"] == "control") & (adata.obs["split"] == "train"))
    keep[rows[45:]] = False
    few = adata[keep].copy()
    cs.tl.cellot(few, solver="mean_shift", targets="drug_a")
    made = standalone(cs.tl.maps(few), few)
    # more equations than cells would tell where these lie
    assert made.null is not None and made.null.n_maps == 22

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, concat, read_h5ad, read_zarr
from scipy.stats import t as student

import cellot_sc as cs
from cellot_sc import _chunks, _files, _keys, _on_disk
from cellot_sc.tl._fit import predicted as predicted_module


def test_control_cells_become_treated(fitted: AnnData):
    predicted = cs.tl.predict(fitted, "drug_a")
    control = fitted[fitted.obs["perturbation"] == "control"]
    assert predicted.obs_names.equals(control.obs_names)
    assert predicted.var_names.equals(fitted.var_names)
    assert predicted.obs["perturbation"].unique().tolist() == ["drug_a"]
    assert (predicted.obs["cell_type"] == control.obs["cell_type"]).all()
    latent = cs.tl.maps(fitted)["drug_a"].transport(control.obsm["X_cellot"])
    np.testing.assert_array_equal(predicted.obsm["X_cellot"], latent)
    np.testing.assert_array_equal(predicted.X, cs.pp.decode(fitted, latent))
    assert predicted.X.dtype == np.float32
    # log-normalised expression was never negative, nor is what is predicted
    assert predicted.X.min() >= 0


def test_all_targets_at_once(fitted: AnnData):
    both = cs.tl.predict(fitted)
    assert both.obs_names.is_unique
    for name in ("drug_a", "drug_b"):
        one = cs.tl.predict(fitted, name)
        part = both[both.obs["perturbation"] == name]
        assert part.obs_names.tolist() == [f"{cell}-{name}" for cell in one.obs_names]
        np.testing.assert_array_equal(part.X, one.X)


def test_without_decoding(fitted: AnnData):
    predicted = cs.tl.predict(fitted, "drug_a", decode=False)
    np.testing.assert_array_equal(predicted.X, predicted.obsm["X_cellot"])
    assert predicted.var_names[0] == "X_cellot_0"


def test_without_decoder(prepared: AnnData):
    adata = prepared.copy()
    adata.obsm["X_other"] = np.array(adata.obsm["X_cellot"])
    cs.tl.cellot(adata, use_rep="X_other", solver="mean_shift")
    predicted = cs.tl.predict(adata, "drug_a")
    np.testing.assert_array_equal(predicted.X, predicted.obsm["X_other"])


def test_expression_itself(prepared: AnnData):
    adata = prepared.copy()
    cs.tl.cellot(adata, use_rep="X", solver="mean_shift")
    predicted = cs.tl.predict(adata, "drug_a", cells=[0])
    shift = cs.tl.maps(adata)["drug_a"].shift  # type: ignore[attr-defined]
    np.testing.assert_allclose(predicted.X[0], np.maximum(adata.X[[0]].toarray()[0] + shift, 0), atol=1e-6)


def test_cells_by_mask_name_and_position(fitted: AnnData):
    mask = (fitted.obs["cell_type"] == fitted.obs["cell_type"].iloc[0]).to_numpy()
    positions = np.flatnonzero(mask)
    wanted = cs.tl.predict(fitted, "drug_a", cells=mask)
    assert wanted.n_obs == mask.sum()
    for cells in (positions, fitted.obs_names[mask], fitted.obs_names[mask].tolist(), mask.tolist()):
        np.testing.assert_array_equal(cs.tl.predict(fitted, "drug_a", cells=cells).X, wanted.X)


def test_the_source_is_untouched(fitted: AnnData):
    adata = fitted.copy()
    predicted = cs.tl.predict(adata, "drug_a")
    predicted.obs["perturbation"] = "changed"
    predicted.var["new"] = 1
    assert adata.obs.equals(fitted.obs)
    assert list(adata.var) == list(fitted.var)


def test_cells_without_a_perturbation_of_their_own(fitted: AnnData):
    new = fitted[fitted.obs["perturbation"] == "control"].copy()
    expected = cs.tl.predict(new, "drug_a", cells=[3, 5])
    del new.obs["perturbation"]
    predicted = cs.tl.predict(new, "drug_a", cells=[3, 5])
    np.testing.assert_array_equal(predicted.X, expected.X)
    assert predicted.obs["perturbation"].tolist() == ["drug_a", "drug_a"]
    with pytest.raises(KeyError, match="perturbation_key 'perturbation' is not in adata.obs"):
        cs.tl.predict(new, "drug_a")


def test_cells_of_any_condition(fitted: AnnData):
    treated = fitted.obs_names[fitted.obs["perturbation"] == "drug_b"][:5]
    predicted = cs.tl.predict(fitted, "drug_a", cells=treated)
    assert predicted.obs_names.equals(treated)
    assert set(predicted.obs["perturbation"]) == {"drug_a"}


def test_parts_of_an_anndata(fitted: AnnData):
    part = fitted[fitted.obs["patient"] == "patient_1"]
    predicted = cs.tl.predict(part, "drug_a")
    whole = cs.tl.predict(fitted, "drug_a")
    np.testing.assert_allclose(predicted.X, whole[predicted.obs_names].X, atol=1e-5)


def test_chunks_change_nothing(fitted: AnnData, monkeypatch: pytest.MonkeyPatch):
    whole = cs.tl.predict(fitted)
    monkeypatch.setattr("cellot_sc.ot._maps.base.CHUNK", 7)
    np.testing.assert_allclose(cs.tl.predict(fitted).X, whole.X, atol=1e-5)


def test_something_else_under_the_name_of_the_representation(fitted: AnnData):
    adata = fitted.copy()
    adata.uns["X_cellot"] = {"params": 3}
    with pytest.raises(ValueError, match="represented anew since the maps were fitted in it, or its decoder .* gone"):
        cs.tl.predict(adata, "drug_a")


def test_predicted_cells_can_be_represented_again(fitted: AnnData):
    predicted = cs.tl.predict(fitted, "drug_a")
    np.testing.assert_array_equal(cs.pp.decode(predicted, predicted.obsm["X_cellot"]), predicted.X)


def test_categories_stay(fitted: AnnData):
    predicted = cs.tl.predict(fitted, "drug_a")
    assert list(predicted.obs["perturbation"].cat.categories) == ["control", "drug_a", "drug_b"]
    both = cs.tl.predict(fitted)
    assert list(both.obs["perturbation"].cat.categories) == ["control", "drug_a", "drug_b"]
    assert both.obs["cell_type"].dtype == fitted.obs["cell_type"].dtype
    assert both.var_names.equals(fitted.var_names)
    assert both.obsm["X_cellot"].shape == (400, 8)


def test_log_says_what_was_predicted(fitted: AnnData, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "cellot_sc"):
        cs.tl.predict(fitted)
    assert caplog.messages == [
        "predicted 400 cells of drug_a, drug_b: X is decoded from 8 dimensions, smoother than measured cells; compare "
        "it with layers['control'], which are decoded, too"
    ]
    caplog.clear()
    with caplog.at_level(logging.INFO, "cellot_sc"):
        cs.tl.predict(fitted, "drug_a", decode=False)
    assert caplog.messages == ["predicted 200 cells of drug_a"]


class TestErrors:
    def test_not_fitted(self, prepared: AnnData):
        with pytest.raises(KeyError, match="holds no fitted maps: call cs.tl.cellot first"):
            cs.tl.predict(prepared)

    def test_other_key(self, fitted: AnnData):
        with pytest.raises(KeyError, match="Did you mean 'cellot'"):
            cs.tl.predict(fitted, key="celot")

    def test_target_not_fitted(self, fitted: AnnData):
        with pytest.raises(ValueError, match="Did you mean 'drug_"):
            cs.tl.predict(fitted, "drug_c")

    def test_names_twice(self, fitted: AnnData):
        adata = fitted.copy()
        before = adata.copy()
        adata.obs_names = ["twice", "twice", *adata.obs_names[2:]]
        with pytest.raises(ValueError, match="not unique.*obs_names_make_unique"):
            cs.tl.predict(adata)
        assert list(adata.uns) == list(before.uns)

    def test_representation_is_gone(self, fitted: AnnData):
        adata = fitted.copy()
        del adata.obsm["X_cellot"]
        with pytest.raises(KeyError, match="use_rep 'X_cellot' is not in adata.obsm"):
            cs.tl.predict(adata)

    def test_representation_is_another(self, fitted: AnnData):
        adata = fitted.copy()
        adata.obsm["X_cellot"] = adata.obsm["X_cellot"][:, :5]
        with pytest.raises(ValueError, match=r"has 5 dimensions and its decoder 8: represent again"):
            cs.tl.predict(adata)

    def test_other_genes(self, fitted: AnnData):
        with pytest.raises(ValueError, match="was fitted on 60 genes, which are not the 10 of adata"):
            cs.tl.predict(fitted[:, :10])
        assert cs.tl.predict(fitted[:, :10], decode=False).n_obs == 400

    @pytest.mark.parametrize(
        ("cells", "error", "message"),
        [
            (["cel_1"], KeyError, "Did you mean 'cell_1"),
            ([10_000], IndexError, "position 10000; adata has 600 cells"),
            (np.ones(3, dtype=bool), ValueError, "mask of 3 cells"),
            (np.zeros(600, dtype=bool), ValueError, "chooses no cell"),
            ([], ValueError, "at least one cell"),
        ],
    )
    def test_cells(self, fitted: AnnData, cells: Any, error: type[Exception], message: str):
        with pytest.raises(error, match=message):
            cs.tl.predict(fitted, "drug_a", cells=cells)

    def test_not_finite(self, fitted: AnnData):
        adata = fitted.copy()
        adata.obsm["X_cellot"][np.flatnonzero(adata.obs["perturbation"] == "control")[0], 0] = np.nan
        with pytest.raises(ValueError, match="NaN or inf in 1 of"):
            cs.tl.predict(adata)


CODES = {"control": 0, "drug_a": 1, "drug_b": 2}


@pytest.mark.parametrize(
    ("dtype", "control"),
    [
        ("int8", 0),
        ("int", "0"),
        ("float", 0),
        ("bool", False),
        ("Int64", 0),
        ("boolean", False),
        ("string", "0"),
        ("category", 0),
        (pd.CategoricalDtype([0.0, 1.0, 2.0]), 0),
        (pd.CategoricalDtype([2, 1, 0], ordered=True), 0),
    ],
)
@pytest.mark.parametrize("targets", ["one", "all"])
def test_labels_come_out_as_they_went_in(prepared: AnnData, tmp_path: Path, dtype: Any, control: Any, targets: str):
    adata = prepared.copy()
    adata.obs["label"] = adata.obs["perturbation"].astype(str).map(CODES).astype(int)
    is_bool = dtype in ("bool", "boolean")
    adata.obs["label"] = adata.obs["label"].astype(bool if is_bool else int).astype(dtype)
    cs.tl.cellot(adata, "label", control, solver="mean_shift")
    name = True if is_bool else 1
    predicted = cs.tl.predict(adata, name if targets == "one" else None)  # type: ignore[arg-type]
    assert predicted.obs["label"].dtype == adata.obs["label"].dtype
    assert set(predicted.obs["label"]) <= set(adata.obs["label"])
    both = concat([adata, predicted], index_unique="-", keys=["observed", "predicted"])
    assert both.obs["label"].dtype == adata.obs["label"].dtype
    for cells in (predicted, both):
        cells.write_h5ad(tmp_path / "cells.h5ad")
        cells.write_zarr(tmp_path / "cells.zarr")
        read = read_h5ad(tmp_path / "cells.h5ad").obs["label"]
        assert read.astype(str).tolist() == cells.obs["label"].astype(str).tolist()


def test_of_new_cells_that_know_no_such_label(fitted: AnnData):
    new = fitted[fitted.obs["perturbation"] == "control"].copy()
    new.obs["perturbation"] = new.obs["perturbation"].cat.remove_unused_categories()
    predicted = cs.tl.predict(new, "drug_a", cells=slice(3))
    assert predicted.obs["perturbation"].tolist() == ["drug_a"] * 3
    del new.obs["perturbation"]
    assert cs.tl.predict(new, "drug_a", cells=slice(3)).obs["perturbation"].tolist() == ["drug_a"] * 3


def test_labels_that_are_floats_by_now(fitted: AnnData):
    adata = fitted.copy()
    adata.obs["label"] = adata.obs["perturbation"].astype(str).map(CODES).astype(int)
    cs.tl.cellot(adata, "label", 0, solver="mean_shift")  # type: ignore[arg-type]
    adata.obs["label"] = adata.obs["label"].astype(float)
    predicted = cs.tl.predict(adata, 1)  # type: ignore[arg-type]
    assert predicted.n_obs == 200
    assert predicted.obs["label"].unique().tolist() == [1.0]


def test_a_mask_in_another_order(fitted: AnnData):
    mask = fitted.obs["patient"] == "patient_1"
    expected = cs.tl.predict(fitted, "drug_a", cells=mask)
    shuffled = cs.tl.predict(fitted, "drug_a", cells=mask.sample(frac=1, random_state=0))
    assert shuffled.obs_names.tolist() == expected.obs_names.tolist()


def test_predicted_cells_are_moved_on(fitted: AnnData):
    once = cs.tl.predict(fitted, "drug_a")
    once.uns["cellot"] = fitted.uns["cellot"]
    twice = cs.tl.predict(once, "drug_b", cells=slice(None))
    expected = cs.tl.maps(fitted)["drug_b"].transport(once.obsm["X_cellot"])
    np.testing.assert_allclose(twice.obsm["X_cellot"], expected, atol=1e-5)
    once.X = once.X * 2
    with pytest.raises(ValueError, match="it has changed since"):
        cs.tl.predict(once, "drug_b", cells=slice(None))


@pytest.fixture(scope="module")
def donors() -> AnnData:
    """Cells of eight patients, of which one is held out, and of whom each responds in an own way."""
    adata = cs.datasets.simulate(
        1600, 60, n_patients=8, n_cell_types=2, perturbations=("drug",), patient_noise=0.3, seed=1
    )
    cs.pp.split(adata, holdout={"patient": "patient_3"})
    cs.pp.represent(adata, n_components=10)
    cs.tl.cellot(adata, solver="group_gaussian", context="patient", key_added="patients")
    cs.tl.cellot(adata, solver="group_gaussian", context=["cell_type", "patient"], key_added="both")
    return adata


def of_new_patient(adata: AnnData, key: str, **kwargs: Any) -> AnnData:
    rows = np.flatnonzero((adata.obs["patient"] == "patient_3") & (adata.obs["perturbation"] == "control"))
    return cs.tl.predict(adata, "drug", key=key, cells=rows, **kwargs)


@pytest.mark.parametrize("key", ["patients", "both"])
def test_treated_cells_of_a_new_patient_change_nothing(donors: AnnData, key: str) -> None:
    adata = donors.copy()
    adata.uns[key] = donors.uns[key]
    treated = ((adata.obs["patient"] == "patient_3") & (adata.obs["perturbation"] == "drug")).to_numpy()
    adata.obsm["X_cellot"][treated] += 100
    for solver in ("group_gaussian", "group_shift"):
        cs.tl.cellot(adata, solver=solver, context="patient", key_added="again")
    np.testing.assert_array_equal(of_new_patient(adata, key).X, of_new_patient(donors, key).X)
    cs.tl.cellot(adata, solver="group_gaussian", context="patient", key_added="patients")
    np.testing.assert_array_equal(of_new_patient(adata, "patients").X, of_new_patient(donors, "patients").X)
    # while its control cells do, where a mixture was chosen
    if cs.tl.maps(donors, "patients")["drug"].unseen is not None:  # type: ignore[attr-defined]
        control = ((adata.obs["patient"] == "patient_3") & (adata.obs["perturbation"] == "control")).to_numpy()
        adata.obsm["X_cellot"][np.flatnonzero(control)[:5]] += 30
        assert not np.array_equal(of_new_patient(adata, "patients").X[9:], of_new_patient(donors, "patients").X[9:])


@pytest.mark.parametrize("key", ["patients", "both"])
def test_a_cell_of_a_new_patient_alone_is_what_it_is_among_all(donors: AnnData, key: str) -> None:
    whole = of_new_patient(donors, key, uncertainty=True)
    for name in whole.obs_names[[0, 30]]:
        alone = cs.tl.predict(donors, "drug", key=key, cells=[name], uncertainty=True)
        np.testing.assert_allclose(alone.X, whole[name].X, atol=1e-5)
        np.testing.assert_allclose(alone.layers["sd"], whole[name].layers["sd"], atol=1e-5)
        assert alone.obs[_keys.SUPPORT].item() == pytest.approx(whole.obs[_keys.SUPPORT][name])


def test_a_new_patient_is_less_certain_than_those_that_were_seen(donors: AnnData) -> None:
    predicted = cs.tl.predict(donors, "drug", key="both", uncertainty=True)
    assert predicted.layers["sd"].shape == predicted.shape
    assert (predicted.layers["sd"] >= 0).all()
    new = (predicted.obs["patient"] == "patient_3").to_numpy()
    sd = predicted.layers["sd"]
    assert sd[new].mean() > 1.5 * sd[~new].mean()
    latent = cs.tl.predict(donors, "drug", key="both", uncertainty=True, decode=False)
    assert latent.layers["sd"].shape == latent.obsm["X_cellot"].shape


# most of what patients differ in is in the space of the maps, or is not
@pytest.mark.parametrize(("n_genes", "n_components"), [(120, 40), (60, 10)])
def test_intervals_hold_the_mean_response_of_patients_that_were_left_out(n_genes: int, n_components: int) -> None:
    """Nine in ten, in each gene and type, of eight patients in turn; the sampling error of what is seen is added."""
    adata = cs.datasets.simulate(
        3200, n_genes, n_patients=8, n_cell_types=2, perturbations=("drug",), patient_noise=0.3, seed=2
    )
    inside = []
    for patient in adata.obs["patient"].unique()[::3]:
        cs.pp.split(adata, holdout={"patient": patient})
        cs.pp.represent(adata, n_components=n_components)
        cs.tl.cellot(adata, solver="group_gaussian", context=["cell_type", "patient"])
        for kind in ("type_0", "type_1"):
            own = ((adata.obs["patient"] == patient) & (adata.obs["cell_type"] == kind)).to_numpy()
            control, treated = (own & (adata.obs["perturbation"] == name).to_numpy() for name in ("control", "drug"))
            predicted = cs.tl.predict(adata, "drug", cells=np.flatnonzero(control), uncertainty=True)
            before, after = (adata.X[rows].toarray() for rows in (control, treated))
            expected = predicted.X.mean(axis=0) - cs.pp.decode(adata, adata.obsm["X_cellot"][control]).mean(axis=0)
            seen = sum(x.var(axis=0, ddof=1) / len(x) for x in (before, after))
            sd = np.sqrt(predicted.layers["sd"].mean(axis=0) ** 2 + seen)
            inside.append(np.abs(after.mean(axis=0) - before.mean(axis=0) - expected) < student.ppf(0.95, 6) * sd)
    assert 0.85 < np.mean(inside) < 0.96


def test_support_falls_with_the_distance(donors: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    near = of_new_patient(donors, "patients").obs[_keys.SUPPORT]
    assert near.between(0, 1).all()
    assert near.mean() > 0.2
    far = donors.copy()
    control = (far.obs["patient"] == "patient_3") & (far.obs["perturbation"] == "control")
    far.obsm["X_cellot"][control.to_numpy()] += 50
    with caplog.at_level(logging.WARNING, "cellot_sc"):
        moved = of_new_patient(far, "patients").obs[_keys.SUPPORT]
    assert moved.max() < 0.01
    assert f"{len(moved)} of {len(moved)} cells lie further from the control cells" in caplog.text
    assert (
        "patient 'patient_3' lies further from the control cells that were learnt from than any of the 7" in caplog.text
    )


@pytest.mark.parametrize(("solver", "context", "said"), [
    ("gaussian", None, "uncertainty=True needs maps that know how far types or patients differ: fit with context="),
    ("group_shift", "patient", "the map of solver 'group_shift' to 'drug' does not say how far contexts"),
])  # fmt: skip
def test_what_holds_no_measure_is_refused(donors: AnnData, solver: str, context: str | None, said: str) -> None:
    adata = donors.copy()
    cs.tl.cellot(adata, solver=solver, context=context)
    with pytest.raises(ValueError, match=said):
        cs.tl.predict(adata, uncertainty=True)


def test_the_next_file_needs_no_split(donors: AnnData) -> None:
    """Cells of a patient alone, as they come from another file: only what the maps need is read."""
    new = donors[(donors.obs["patient"] == "patient_3") & (donors.obs["perturbation"] == "control")].copy()
    del new.obs["split"]
    for key in ("patients", "both"):
        alone = cs.tl.predict(new, "drug", key=key)
        np.testing.assert_allclose(alone.X, of_new_patient(donors, key)[alone.obs_names].X, atol=1e-5)


class TestOut:
    @pytest.fixture(autouse=True)
    def _small_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (_on_disk, predicted_module):
            monkeypatch.setattr(module, "ROW_CHUNK", 60 * 70)

    @pytest.mark.parametrize("suffix", _files.ANNDATA)
    @pytest.mark.parametrize("targets", [None, "drug_b"])
    def test_is_what_there_would_be_in_memory(
        self, fitted: AnnData, tmp_path: Path, suffix: str, targets: str | None
    ) -> None:
        path, expected = tmp_path / f"predicted{suffix}", cs.tl.predict(fitted, targets)
        found = cs.tl.predict(fitted, targets, out=path)
        assert not isinstance(found.X, np.ndarray)
        read = read_h5ad(path) if suffix == ".h5ad" else read_zarr(path)
        for one in (found.to_memory(), read):
            pd.testing.assert_frame_equal(one.obs, expected.obs, check_column_type=False, check_index_type=False)
            pd.testing.assert_frame_equal(one.var, expected.var, check_column_type=False, check_index_type=False)
            np.testing.assert_allclose(one.X, expected.X, atol=1e-5)
            for name in ("control", "effect"):
                np.testing.assert_allclose(one.layers[name], expected.layers[name], atol=1e-5)
            for name in ("X_cellot", "displacement"):
                np.testing.assert_array_equal(one.obsm[name], expected.obsm[name])
            assert set(one.uns) == set(expected.uns)
            assert one.uns["cellot_prediction"]["digest"] == expected.uns["cellot_prediction"]["digest"]
        some = found[found.obs["perturbation"] == "drug_b"].to_memory()
        assert some.n_obs == 200

    def test_cells_are_not_replaced_by_their_predictions(self, fitted: AnnData, tmp_path: Path) -> None:
        path, other = tmp_path / "cells.h5ad", tmp_path / "predicted.h5ad"
        fitted.write_h5ad(path)
        cells = read_h5ad(path, backed="r")
        with pytest.raises(ValueError, match="may be the file that adata is read from"):
            cs.tl.predict(cells, out=path, overwrite=True)
        assert read_h5ad(path).shape == fitted.shape
        for _ in range(2):
            cs.tl.predict(cells, "drug_b", out=other, overwrite=True)
        cells.file.close()

    @pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no system call tells whether there is room")
    def test_a_file_for_which_there_is_no_room_is_not_begun(
        self, fitted: AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "posix_fallocate", full)
        with pytest.raises(OSError, match="No space left"):
            cs.tl.predict(fitted, out=tmp_path / "predicted.h5ad")
        assert list(tmp_path.iterdir()) == []

    def test_layers_of_what_is_not_decoded_and_of_uncertainty(self, prepared: AnnData, tmp_path: Path) -> None:
        adata = prepared.copy()
        cs.tl.cellot(adata, solver="group_gaussian", context="patient")
        given: dict[str, Any] = {"targets": "drug_a", "uncertainty": True}
        expected = cs.tl.predict(adata, **given)
        found = cs.tl.predict(adata, **given, out=str(tmp_path / "sure.zarr")).to_memory()
        np.testing.assert_allclose(found.layers["sd"], expected.layers["sd"], atol=1e-5)
        found = cs.tl.predict(adata, decode=False, out=tmp_path / "points.zarr")
        assert found.shape == (400, 8)

    def test_cells_that_stay_on_disk(self, fitted: AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_chunks, "MAX_VALUES", 60 * 50)
        fitted.write_zarr(tmp_path / "cells.zarr")
        far = _on_disk.opened(tmp_path / "cells.zarr")
        expected = cs.tl.predict(fitted, "drug_a")
        found = cs.tl.predict(far, "drug_a", out=tmp_path / "predicted.zarr")
        np.testing.assert_allclose(found.X[:], expected.X, atol=1e-5)
        # as a model, to cells that have no representation
        cells = AnnData(far.X, obs=fitted.obs, var=fitted.var)
        again = cs.tl.predict(cells, "drug_a", model=cs.Model.of(far), out=tmp_path / "again.zarr")
        np.testing.assert_allclose(again.X[:], expected.X, atol=1e-4)

    def test_what_is_there_is_replaced_if_asked(self, fitted: AnnData, tmp_path: Path) -> None:
        path = tmp_path / "predicted.zarr"
        cs.tl.predict(fitted, "drug_a", out=path)
        with pytest.raises(FileExistsError, match="predicted.zarr exists; overwrite=True replaces it"):
            cs.tl.predict(fitted, "drug_b", out=path)
        assert set(read_zarr(path).obs["perturbation"]) == {"drug_a"}
        cs.tl.predict(fitted, "drug_b", out=path, overwrite=True)
        assert set(read_zarr(path).obs["perturbation"]) == {"drug_b"}
        with pytest.raises(ValueError, match=r"predicted\.csv ends in '\.csv'"):
            cs.tl.predict(fitted, out=tmp_path / "predicted.csv")
        assert [path.name for path in tmp_path.iterdir()] == ["predicted.zarr"]

    @pytest.mark.parametrize("was_there", [True, False])
    def test_a_full_disk_leaves_what_was_there(
        self, fitted: AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_there: bool
    ) -> None:
        path = tmp_path / "predicted.zarr"
        if was_there:
            cs.tl.predict(fitted, "drug_a", out=path)
        add, n_added = _on_disk.GrowingFile.add, []

        def full(file: _on_disk.GrowingFile, block: AnnData) -> None:
            n_added.append(block.n_obs)
            if len(n_added) == 3:
                raise OSError(errno.ENOSPC, "No space left on device")
            add(file, block)

        monkeypatch.setattr(_on_disk.GrowingFile, "add", full)
        with pytest.raises(OSError, match="No space left on device") as error:
            cs.tl.predict(fitted, "drug_b", out=path, overwrite=True)
        assert error.value.filename == str(path)
        assert [path.name for path in tmp_path.iterdir()] == ["predicted.zarr"] * was_there
        assert not was_there or set(read_zarr(path).obs["perturbation"]) == {"drug_a"}

    @pytest.mark.parametrize("suffix", _files.ANNDATA)
    def test_a_full_disk_is_one_error(self, fitted: AnnData, tmp_path: Path, suffix: str) -> None:
        """A limit on the size of files stands in for the disk."""
        code = """
import resource, signal, sys
import anndata, cellot_sc as cs

cs.settings.verbosity = "error"
adata = anndata.read_h5ad(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    cs.tl.predict(adata, out=sys.argv[2])
except OSError as error:
    print(error.filename, error.strerror, sep=": ", file=sys.stderr)
    sys.exit(2)
"""
        fitted.write_h5ad(tmp_path / "fitted.h5ad")
        path = tmp_path / f"predicted{suffix}"
        command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "fitted.h5ad"), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (2, f"{path}: File too large\n")
        assert [path.name for path in tmp_path.iterdir()] == ["fitted.h5ad"]


@pytest.mark.parametrize(
    ("made", "controls"),
    [
        (lambda treated: treated, [False, np.False_, 0, "False"]),
        (lambda treated: ~treated, [True, 1]),
        (lambda treated: treated.astype(int), [0, False]),
        (lambda treated: treated.astype("category"), [False]),
    ],
    ids=["truth", "untreated", "numbers", "categories"],
)
def test_controls_may_be_truth_values(simulated: AnnData, made: Any, controls: list[Any]) -> None:
    adata = simulated.copy()
    adata.obs["treated"] = made(adata.obs["perturbation"] != "control")
    dtype, others = adata.obs["treated"].dtype, adata.obs["perturbation"] != "control"
    for control in controls:
        cells = adata.copy()
        cells.cellot.pp.split("treated", control=control)
        cells.cellot.tl.cellot("treated", control, solver="mean_shift", use_rep="X")
        predicted = cells.cellot.tl.predict()
        assert predicted.n_obs == 200 and predicted.obs["treated"].dtype == dtype
        assert (predicted.obs["treated"] == adata.obs["treated"][others].iloc[0]).all()
        model = cs.Model.of(cells)
        other = cs.tl.predict(adata, model=model, perturbation_key="treated", control=control)
        np.testing.assert_array_equal(other.X, predicted.X)

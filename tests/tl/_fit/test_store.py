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
from cellot_sc.ot._problem import History
from cellot_sc.tl._fit import store

QUICK: dict[str, Any] = {"n_steps": 20, "check_every": 10, "min_steps": 10}


def written_and_read(adata: AnnData, folder: Path, suffix: str) -> AnnData:
    path = folder / f"fitted.{suffix}"
    if suffix == "h5ad":
        adata.write_h5ad(path)
        return anndata.read_h5ad(path)
    adata.write_zarr(path)
    return anndata.read_zarr(path)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.parametrize("weights", [None, "cell_type"])
def test_survives_writing_and_reading_to_the_bit(
    prepared: AnnData, tmp_path: Path, suffix: str, weights: str | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("cellot_sc.ot._loop.lack_of_fit.explains", lambda *_: False)
    monkeypatch.setattr("cellot_sc.ot._solvers.icnn._choose", lambda start, members, *judged: members[0])
    adata = prepared.copy()
    cs.tl.cellot(adata, feature_weights=weights, penalties=(3, 10.0), **QUICK)
    read = written_and_read(adata, tmp_path, suffix)
    before, after = cs.tl.maps(adata), cs.tl.maps(read)
    assert before.fit == after.fit
    assert after.fit.options == {**QUICK, "penalties": (3.0, 10.0)}
    assert (after.fit.feature_weights is None) == (weights is None)
    assert before["drug_a"].kind == ("weighted" if weights else "potential")
    pd.testing.assert_frame_equal(
        before.history.reset_index(drop=True), after.history.reset_index(drop=True), check_dtype=False
    )
    x = adata.obsm["X_cellot"]
    for name, fitted in before.items():
        np.testing.assert_array_equal(fitted.transport(x), after[name].transport(x))
    np.testing.assert_array_equal(cs.tl.predict(adata).X, cs.tl.predict(read).X)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.parametrize("solver", ["identity", "mean_shift", "gaussian"])
def test_closed_forms_survive_too(prepared: AnnData, tmp_path: Path, suffix: str, solver: str):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver=solver)
    read = written_and_read(adata, tmp_path, suffix)
    after = cs.tl.maps(read)
    assert list(after) == ["drug_a", "drug_b"]
    # no look at validation cells, no row
    assert list(after.history.columns) == ["perturbation", "step", "seconds", "metric", "value"]
    assert after.history.empty
    np.testing.assert_array_equal(cs.tl.predict(adata).X, cs.tl.predict(read).X)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_any_name_of_a_target_survives(simulated: AnnData, tmp_path: Path, suffix: str):
    names = ["A/B", "1", "mean"]
    adata = simulated.copy()
    labels = np.array(["control", *names], dtype=object)[np.arange(adata.n_obs) % 4]
    adata.obs["perturbation"] = pd.Categorical(labels)
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=4)
    cs.tl.cellot(adata, targets=names, solver="mean_shift")
    read = written_and_read(adata, tmp_path, suffix)
    assert list(cs.tl.maps(read)) == names
    for name in names:
        np.testing.assert_array_equal(cs.tl.predict(adata, name).X, cs.tl.predict(read, name).X)


def test_a_person_can_read_it(fitted: AnnData):
    kept = fitted.uns["cellot"]
    assert kept["format_version"] == store.FORMAT_VERSION
    assert kept["targets"].tolist() == ["drug_a", "drug_b"]
    assert set(kept["maps"]) == {"0", "1"}
    plain = {
        name: value
        for name, value in kept.items()
        if name not in ("targets", "maps", "history", "versions", "cells", "origin", "digest", "support")
    }
    assert plain == {
        "format_version": 2, "kind": "perturbations", "label_key": "perturbation", "control": "control",
        "use_rep": "X_cellot", "split_key": "split", "solver": "gaussian", "options": {}, "seed": 3,
        "match_abundance": True,
    }  # fmt: skip
    assert set(kept["versions"]) == {"cellot_sc", "jax", "ott-jax"}


def test_any_option_is_kept(fitted: AnnData):
    options = {
        "none": None, "path": Path("here"), "yes": True, "number": np.float32(0.5), "numbers": (1, 2.5), "names": ["a"],
        "ragged": [(1,), (2, 3)], "empty": (), "nested": {"inner": None, "of": np.int64(2)},
    }  # fmt: skip
    adata, maps = fitted.copy(), cs.tl.maps(fitted)
    store.save(adata, "cellot", dataclasses.replace(maps, fit=dataclasses.replace(maps.fit, options=options)))
    assert cs.tl.maps(adata).fit.options == {
        "none": None, "path": "here", "yes": True, "number": 0.5, "numbers": (1.0, 2.5), "names": ("a",),
        "ragged": ("(1,)", "(2, 3)"), "empty": (), "nested": {"of": 2},
    }  # fmt: skip


def test_another_format_is_refused(fitted: AnnData):
    adata = fitted.copy()
    adata.uns["cellot"]["format_version"] = 7
    message = r"uns\['cellot'\] is of format 7, and format 2 is needed: fit again, or install the version of cellot-sc"
    with pytest.raises(ValueError, match=message + r" that wrote it \(\d"):
        cs.tl.predict(adata)
    adata.uns["cellot"] = {"config": "{}", "maps": {}, "history": pd.DataFrame()}
    with pytest.raises(ValueError, match="is of format unknown, and format 2 is needed"):
        cs.tl.predict(adata)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"maps": {}}, "maps.0 is missing"),
        ({"targets": np.array(["a", "b", "c"], dtype=object)}, "maps.2 is missing"),
        ({"targets": np.array(["drug_a"], dtype=object)}, "maps.'1' is unknown"),
        ({"targets": np.array(["drug_a", "drug_a"], dtype=object)}, "texts are needed, of which no two are alike"),
        ({"targets": np.array([np.nan, "drug_b"], dtype=object)}, "a sequence of texts is needed"),
        ({"targets": "ab"}, "targets is 'ab'; a sequence of texts is needed"),
        ({"targets": np.array([], dtype=object)}, "targets has 0 texts; at least one is needed"),
        ({"targets": None}, "targets is None; a sequence of texts is needed"),
        ({"maps": {"0": {}, "1": {}}}, "'kind' is missing"),
        ({"maps": {"0": {"kind": "magic"}, "1": {}}}, "transport map of kind 'magic' is unknown"),
        ({"history": "none"}, "indices"),
        ({"kind": "other"}, "kind is 'other'; one of 'perturbations', 'time course', 'couplings' is needed"),
        ({"split_key": 3}, "split_key is 3; a text is needed"),
        ({"seed": -1}, "seed is -1; a whole number, 0 or more,"),
        ({"seed": 2**32}, "seed is 4294967296; a whole number of at most"),
        ({"options": "none"}, "options is 'none'; a dict is needed"),
        ({"times": np.array([0.0, 1.0])}, "there are 2 times, and 3 labels"),
        ({"times": np.array([0.0, np.nan, 1.0])}, "finite numbers are needed"),
        ({"tau": np.array([-1.0, 1.0])}, "positive numbers are needed"),
        ({"feature_weights": "none"}, "feature_weights is 'none'; a list of numbers is needed"),
        ({"colour": "red"}, "'colour' is unknown"),
        ({"origin": 3}, "origin is 3; a dict of n_dims, features, decoder, low, high is needed"),
    ],
)
def test_what_is_broken_is_said(fitted: AnnData, change: dict[str, Any], reason: str):
    adata = fitted.copy()
    adata.uns["cellot"] = adata.uns["cellot"] | change
    with pytest.raises(ValueError, match=r"adata.uns\['cellot'\] holds fitted maps that cannot be read") as raised:
        cs.tl.maps(adata)
    assert reason in str(raised.value)
    del adata.uns["cellot"]["solver"]
    with pytest.raises(ValueError, match="cannot be read"):
        cs.tl.maps(adata)


def test_maps_are_read_from_parts_of_an_anndata(fitted: AnnData):
    assert list(cs.tl.maps(fitted[:10])) == ["drug_a", "drug_b"]


def test_column_types_do_not_depend_on_the_rows():
    history = History([0], [0.0], {"loss": [2.0]}, selected=0)
    types = [store.history_table({"drug": h}).dtypes.to_dict() for h in (history, History())]
    assert types[0] == types[1]


def test_nothing_is_pickled(fitted: AnnData):
    def leaves(value: object) -> list[object]:
        return [leaf for v in value.values() for leaf in leaves(v)] if isinstance(value, dict) else [value]

    assert {type(leaf) for leaf in leaves(fitted.uns["cellot"])} <= {str, int, float, bool, np.ndarray, pd.DataFrame}


def test_history_is_tidy():
    history = History([0, 10], [0.0, 0.5], {"loss": [2.0, 1.0], "validation": [0.4, 0.3]}, selected=10)
    table = store.history_table({"drug": history, "still": History()})
    assert list(table.columns) == ["perturbation", "step", "seconds", "metric", "value"]
    assert table["metric"].tolist() == ["loss", "loss", "validation", "validation", "selected"]
    assert table.query("metric == 'loss'")["value"].tolist() == [2.0, 1.0]
    assert table.query("metric == 'selected'")["step"].tolist() == [10]
    assert set(table["perturbation"]) == {"drug"}


def test_something_else_under_the_key(fitted: AnnData):
    adata = fitted.copy()
    adata.uns["pca"] = {"params": {}}
    with pytest.raises(KeyError, match="holds no fitted maps"):
        cs.tl.maps(adata, "pca")


def test_maps_are_those_that_were_fitted(fitted: AnnData) -> None:
    maps = cs.tl.maps(fitted)
    assert list(maps) == ["drug_a", "drug_b"] and len(maps) == 2
    control = maps.fit.controls(fitted)
    x = fitted.obsm["X_cellot"][control]
    predicted = cs.tl.predict(fitted, "drug_b", decode=False)
    np.testing.assert_array_equal(maps["drug_b"].transport(x), predicted.X)
    np.testing.assert_allclose(maps["drug_b"].inverse(maps["drug_b"].transport(x)), x, atol=1e-3)
    assert maps.fit.solver == "gaussian"


def test_maps_are_had_from_the_accessor(fitted: AnnData) -> None:
    assert list(fitted.cellot.tl.maps()) == ["drug_a", "drug_b"]


def test_maps_of_a_time_course_lead_from_its_first_time() -> None:
    adata = cs.datasets.simulate_branching(300, 20)
    cs.tl.trajectory(adata, solver="mean_shift")
    maps = cs.tl.maps(adata, "trajectory")
    assert list(maps) == ["1", "2"]
    assert (maps.fit.kind, maps.fit.times) == ("time course", (0.0, 1.0, 2.0))


def test_names_that_are_not_there(fitted: AnnData) -> None:
    with pytest.raises(KeyError, match="holds no fitted maps: call cs.tl.cellot first. Did you mean 'cellot'"):
        cs.tl.maps(fitted, "celot")
    with pytest.raises(KeyError, match="There is no map to 'drug_c'. Did you mean 'drug_"):
        cs.tl.maps(fitted)["drug_c"]


def test_maps_say_what_they_are(fitted: AnnData) -> None:
    maps = cs.tl.maps(fitted)
    assert repr(maps) == f"2 transport maps. {maps.fit!r}"
    assert repr(maps["drug_a"]) == "AffineMap in 8 dimensions"


def test_maps_whose_targets_were_exchanged_are_not_read(fitted: AnnData):
    adata = fitted.copy()
    adata.uns["cellot"]["targets"] = adata.uns["cellot"]["targets"][::-1]
    with pytest.raises(ValueError, match="they, or the order of their targets, have been changed since they were wri"):
        cs.tl.maps(adata)

from __future__ import annotations

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


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.parametrize("weights", [None, "cell_type"])
def test_survives_writing_and_reading_to_the_bit(
    prepared: AnnData, tmp_path: Path, suffix: str, weights: str | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("cellot_sc.ot._loop.lack_of_fit.explains", lambda *_: False)
    monkeypatch.setattr("cellot_sc.ot._solvers.icnn._choose", lambda start, members, *judged: members[0])
    adata = prepared.copy()
    # a name that no file format takes for a key
    adata.obs["perturbation"] = adata.obs["perturbation"].cat.rename_categories({"drug_a": "drug/dose +1"})
    cs.tl.cellot(adata, feature_weights=weights, **QUICK)
    path = tmp_path / f"fitted.{suffix}"
    if suffix == "h5ad":
        adata.write_h5ad(path)
        read = anndata.read_h5ad(path)
    else:
        adata.write_zarr(path)
        read = anndata.read_zarr(path)
    before, after = store.load(adata, "cellot"), store.load(read, "cellot")
    assert before.config == after.config
    assert before.maps["drug/dose +1"].kind == ("weighted" if weights else "potential")
    pd.testing.assert_frame_equal(
        before.history.reset_index(drop=True), after.history.reset_index(drop=True), check_dtype=False
    )
    x = adata.obsm["X_cellot"]
    for name, fitted in before.maps.items():
        np.testing.assert_array_equal(fitted.transport(x), after.maps[name].transport(x))
    np.testing.assert_array_equal(cs.tl.predict(adata).X, cs.tl.predict(read).X)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.parametrize("solver", ["identity", "mean_shift", "gaussian"])
def test_closed_forms_survive_too(prepared: AnnData, tmp_path: Path, suffix: str, solver: str):
    adata = prepared.copy()
    cs.tl.cellot(adata, solver=solver)
    path = tmp_path / f"fitted.{suffix}"
    if suffix == "h5ad":
        adata.write_h5ad(path)
        read = anndata.read_h5ad(path)
    else:
        adata.write_zarr(path)
        read = anndata.read_zarr(path)
    after = store.load(read, "cellot")
    assert list(after.maps) == ["drug_a", "drug_b"]
    # no look at validation cells, no row
    assert list(after.history.columns) == ["perturbation", "step", "seconds", "metric", "value"]
    assert after.history.empty
    np.testing.assert_array_equal(cs.tl.predict(adata).X, cs.tl.predict(read).X)


def test_maps_are_read_from_parts_of_an_anndata(fitted: AnnData):
    assert list(store.load(fitted[:10], "cellot").maps) == ["drug_a", "drug_b"]


def test_column_types_do_not_depend_on_the_rows():
    history = History([0], [0.0], {"loss": [2.0]}, selected=0)
    types = [store.history_table({"drug": h}).dtypes.to_dict() for h in (history, History())]
    assert types[0] == types[1]


def test_nothing_is_pickled(fitted: AnnData):
    def leaves(value: object) -> list[object]:
        return [leaf for v in value.values() for leaf in leaves(v)] if isinstance(value, dict) else [value]

    assert {type(leaf) for leaf in leaves(fitted.uns["cellot"])} <= {str, np.ndarray, pd.DataFrame}


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
        store.load(adata, "pca")

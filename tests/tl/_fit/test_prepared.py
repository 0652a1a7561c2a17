from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _chunks
from cellot_sc.tl._fit.prepared import Prepared, default_rep, prepare


def prepared_for(adata: AnnData, **options: Any) -> Prepared:
    given: dict[str, Any] = {"use_rep": None, "split_key": "split", "seed": 0, "key_added": "cellot"}
    return prepare(adata, "perturbation", "control", **given | options)


def test_makes_what_is_missing_as_pp_does_and_writes_nothing(simulated: AnnData) -> None:
    adata, expected = simulated.copy(), simulated.copy()
    cells = prepared_for(adata, seed=3)
    assert "split" not in adata.obs and not adata.obsm
    cs.pp.split(expected, seed=3)
    cs.pp.represent(expected)
    assert (cells.use_rep, cells.columns) == ("X_cellot", ["split"])
    assert cells.cells.obs["split"].tolist() == expected.obs["split"].tolist()
    np.testing.assert_array_equal(cells.cells.obsm["X_cellot"], expected.obsm["X_cellot"])
    cells.add({"weight": np.arange(adata.n_obs)})
    assert cells.write(adata) == ["obs['split']", "obs['weight']", "obsm['X_cellot']"]
    np.testing.assert_array_equal(adata.obs["weight"], np.arange(adata.n_obs))
    np.testing.assert_array_equal(adata.obsm["X_cellot"], expected.obsm["X_cellot"])
    assert set(adata.uns["X_cellot"]) == set(expected.uns["X_cellot"])


def test_reads_what_is_there(prepared: AnnData) -> None:
    cells = prepared_for(prepared)
    assert (cells.use_rep, cells.columns) == ("X_cellot", [])
    np.testing.assert_array_equal(cells.cells.obsm["X_cellot"], prepared.obsm["X_cellot"])
    # a representation that was there is not written again
    assert cells.write(prepared.copy()) == []
    of_genes = prepared_for(prepared, use_rep="X")
    assert of_genes.use_rep == "X" and not of_genes.cells.obsm


def test_default_representation(simulated: AnnData) -> None:
    adata = AnnData(simulated.X, obs=simulated.obs.copy())
    assert default_rep(adata) is None
    adata.obsm["X_pca"] = np.zeros((adata.n_obs, 2))
    assert default_rep(adata) is None
    assert default_rep(AnnData(obs=adata.obs, obsm=adata.obsm)) == "X_pca"
    adata.obsm["X_cellot"] = np.zeros((adata.n_obs, 2))
    assert default_rep(adata) == "X_cellot"


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        # only the default column is made
        pytest.param({"split_key": "parts"}, KeyError, r"split_key 'parts' is not in adata\.obs", id="split"),
        pytest.param({"use_rep": "X_cello"}, KeyError, r"Did you mean 'X_cellot'\?", id="representation"),
        pytest.param({"key_added": "X_cellot"}, ValueError, "would overwrite the decoder", id="key"),
    ],
)
def test_what_cannot_be_prepared(
    prepared: AnnData, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        prepared_for(prepared, **options)


def test_counts_are_warned_of_where_they_are_read(prepared: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    counted = prepared.copy()
    # points that are known to nobody are no expression
    counted.uns.clear()
    counted.X = counted.layers["counts"]
    prepared_for(counted)
    prepared_for(prepared, use_rep="X")
    assert "counts" not in caplog.text
    prepared_for(counted, use_rep="X")
    del counted.obsm["X_cellot"]
    prepared_for(counted)
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [text.startswith("adata.X holds whole numbers only, as counts do") for text in warned] == [True, True]


def test_counts_that_components_of_scanpy_are_decoded_to_are_warned_of(
    prepared: AnnData, caplog: pytest.LogCaptureFixture
) -> None:
    counted = AnnData(prepared.layers["counts"].astype(np.float32), prepared.obs.copy(), prepared.var.copy())
    sc.pp.pca(counted, n_comps=3)
    prepared_for(counted, use_rep="X_pca")
    assert caplog.text.count("adata.X holds whole numbers only, as counts do") == 1


def test_features_of_a_fit_need_names(prepared: AnnData) -> None:
    adata = prepared.copy()
    adata.var_names = pd.Index([None, *adata.var_names[1:]], dtype=object)
    with pytest.raises(ValueError, match=r"adata\.var_names are missing for 1 of"):
        prepared_for(adata, use_rep="X")


def test_maps_of_cells_that_stay_on_disk_are_the_same(
    prepared: AnnData, store: Callable[[AnnData], AnnData], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_chunks, "MAX_VALUES", 60 * 50)
    near, far = prepared.copy(), store(prepared)
    far.obsm["X_cellot"], far.uns["X_cellot"] = prepared.obsm["X_cellot"], prepared.uns["X_cellot"]
    far.obs["split"] = prepared.obs["split"]
    for adata in (near, far):
        cs.tl.cellot(adata, "perturbation", "control", targets="drug_a", solver="mean_shift")
    assert not isinstance(far.X, np.ndarray) and type(far.X) is not type(near.X)
    expected, found = (cs.tl.predict(adata, "drug_a") for adata in (near, far))
    np.testing.assert_array_equal(found.X, expected.X)

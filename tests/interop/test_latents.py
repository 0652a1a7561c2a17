"""Latents of other tools: factors of counts stand for those of scVI, which come as a matrix in obsm as well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData
from sklearn.decomposition import NMF

import cellot_sc as cs


@pytest.fixture(scope="module")
def adata() -> AnnData:
    adata = cs.datasets.simulate(1000, 60, perturbations=["drug"])
    cs.pp.split(adata, test_fraction=0.4)
    factors = NMF(6, init="nndsvda", max_iter=500, tol=1e-3).fit(adata[adata.obs["split"] == "train"].layers["counts"])
    adata.obsm["X_scVI"] = np.log1p(factors.transform(adata.layers["counts"])).astype(np.float32)
    cs.tl.cellot(adata, use_rep="X_scVI", solver="gaussian")
    return adata


def test_prediction_is_a_latent(adata: AnnData):
    predicted = cs.tl.predict(adata, "drug")
    assert predicted.shape == (500, 6)
    np.testing.assert_array_equal(predicted.X, predicted.obsm["X_scVI"])


def test_evaluation(adata: AnnData):
    table = cs.tl.evaluate(adata, metrics="energy_distance", baselines="identity")
    scores = table[table["metric"] == "energy_distance"].set_index("model")["value"]
    assert scores["gaussian"] < 0.2 * scores["identity"]


def test_no_genes_no_files(adata: AnnData, tmp_path: Path):
    for preset in ("cell-eval", "vcc2026"):
        with pytest.raises(KeyError, match="decoder"):
            cs.tl.export_cell_eval(adata, tmp_path / "none", preset=preset)
    assert not (tmp_path / "none").exists()

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData
from scipy import sparse

import cellot_sc as cs


@pytest.fixture(scope="module")
def reduced(simulated: AnnData) -> AnnData:
    """Cells as a tutorial of scanpy leaves them: components of variable genes in obsm and varm."""
    adata = simulated.copy()
    adata.var["highly_variable"] = np.arange(adata.n_vars) < 50
    sc.pp.pca(adata, n_comps=12)
    cs.pp.split(adata)
    return adata


def test_predicted_cells_have_genes(reduced: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    adata = reduced.copy()
    cs.tl.cellot(adata, use_rep="X_pca", solver="mean_shift")
    assert (
        "obsm['X_pca'] is decoded to genes by varm['PCs'] and the mean of train cells, at which 10 genes" in caplog.text
    )
    predicted = cs.tl.predict(adata)
    assert list(predicted.var_names) == list(adata.var_names)
    assert 0 <= predicted.X.min() <= predicted.X.max() <= adata.X.max()


def test_train_cells_come_back_as_well_as_components_can(reduced: AnnData) -> None:
    adata = reduced.copy()
    cs.tl.cellot(adata, use_rep="X_pca", solver="mean_shift")
    train = (adata.obs["split"] == "train").to_numpy()
    x = adata.X.toarray()
    mean = x[:, :50].mean(axis=0)
    expected = (x[train][:, :50] - mean) @ adata.varm["PCs"][:50] @ adata.varm["PCs"][:50].T + x[train][:, :50].mean(
        axis=0
    )
    # the mean of train cells is kept, which is not that of all cells on which scanpy has fitted
    expected -= (expected - x[train][:, :50]).mean(axis=0)
    decoded = cs.pp.decode(adata, adata.obsm["X_pca"], key="X_pca")[train]
    assert np.abs(decoded[:, :50] - np.clip(expected, 0, x[train].max())).max() < 1e-4


@pytest.mark.parametrize("change", ["scaled", "gone", "fewer"])
def test_components_that_are_not_of_the_expression(
    reduced: AnnData, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    adata = reduced.copy()
    if change == "scaled":
        sc.pp.scale(adata, zero_center=False)
    elif change == "gone":
        del adata.varm["PCs"]
    else:
        adata.obsm["X_pca"] = adata.obsm["X_pca"][:, :5]
    cs.tl.cellot(adata, use_rep="X_pca", solver="mean_shift")
    assert "obsm['X_pca'] is used as it is, and predictions are 'X_pca' without genes" in caplog.text
    assert cs.tl.predict(adata).var_names[0] == "X_pca_0"


def test_other_components_since(reduced: AnnData) -> None:
    """Components of some of the cells, under the same name."""
    adata = reduced.copy()
    cs.tl.cellot(adata, use_rep="X_pca", solver="mean_shift")
    some = adata[adata.obs["patient"] != "patient_0"].copy()
    assert cs.tl.predict(some).n_vars == adata.n_vars
    sc.pp.pca(some, n_comps=12)
    with pytest.raises(ValueError, match=r"adata.X is not what adata.obsm\['X_pca'\] was represented from"):
        cs.tl.predict(some)


def test_sparse_components_are_those_that_they_are(reduced: AnnData) -> None:
    dense, thin = reduced.copy(), reduced.copy()
    thin.varm["PCs"] = sparse.csr_matrix(thin.varm["PCs"])
    for adata in (dense, thin):
        cs.tl.cellot(adata, use_rep="X_pca", solver="mean_shift")
    np.testing.assert_array_equal(cs.tl.predict(thin).X, cs.tl.predict(dense).X)


@pytest.mark.parametrize(
    ("components", "words"),
    [(lambda x: np.ma.masked_greater(x, 0.3), "is masked at"), (lambda x: x.astype(str), "real numbers are needed")],
)
def test_components_that_cannot_be_used(
    reduced: AnnData, components: Callable[[np.ndarray], np.ndarray], words: str
) -> None:
    adata = reduced.copy()
    adata.varm["PCs"] = components(adata.varm["PCs"])
    with pytest.raises(ValueError, match=rf"adata.varm\['PCs'\] .*{words}"):
        cs.tl.cellot(adata, use_rep="X_pca", solver="mean_shift")


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
@pytest.mark.parametrize(("name", "words"), [("gene_01", "are not unique"), (None, "are missing for 1 of 60")])
def test_genes_that_cannot_be_told_apart(reduced: AnnData, name: str | None, words: str) -> None:
    adata = reduced.copy()
    adata.var_names = pd.Index([name, *adata.var_names[1:]], dtype=object)
    with pytest.raises(ValueError, match=f"adata.var_names {words}"):
        cs.tl.cellot(adata, use_rep="X_pca", solver="mean_shift")
    assert "cellot" not in adata.uns

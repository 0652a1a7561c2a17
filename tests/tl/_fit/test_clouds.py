from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from cellot_sc.tl._fit.clouds import latent


@pytest.fixture
def adata() -> AnnData:
    x = np.arange(12, dtype=np.float64).reshape(4, 3)
    adata = AnnData(sparse.csr_matrix(x))
    adata.obsm["dense"] = x * 2
    adata.obsm["table"] = pd.DataFrame(x * 3, index=adata.obs_names)
    return adata


@pytest.mark.parametrize(("key", "factor"), [("X", 1), ("dense", 2), ("table", 3)])
@pytest.mark.parametrize("rows", [slice(None), np.array([2, 0]), np.array([True, False, False, True])])
def test_dense_single_precision(adata: AnnData, key: str, factor: int, rows: np.ndarray | slice):
    values = latent(adata, key, rows)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, factor * np.arange(12).reshape(4, 3)[rows])


def test_not_a_matrix(adata: AnnData):
    adata.obsm["cube"] = np.zeros((4, 2, 2))
    with pytest.raises(ValueError, match=r"use_rep 'cube' has shape \(4, 2, 2\); \(n_cells, n_dims\) is needed"):
        latent(adata, "cube")


def test_unknown(adata: AnnData):
    with pytest.raises(KeyError, match="Did you mean 'dense'"):
        latent(adata, "dens")

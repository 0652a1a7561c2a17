from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from cellot_sc import _validate


class TestClones:
    def test_of_a_matrix(self, adata: AnnData) -> None:
        adata.obsm["clone"] = sparse.csr_matrix(np.array([[2.0, 0], [0, 1], [0, 0], [1, 1], [0, 3]]))
        clones = _validate.clones(adata, "clone")
        assert clones.toarray().tolist() == [[1, 0], [0, 1], [0, 0], [1, 1], [0, 1]]

    def test_of_a_column(self, adata: AnnData) -> None:
        adata.obs["clone"] = pd.Categorical(["b", None, "a", "b", "a"])
        assert _validate.clones(adata, "clone").toarray().tolist() == [[1, 0], [0, 0], [0, 1], [1, 0], [0, 1]]

    @pytest.mark.parametrize("value", [np.nan, -1.0])
    def test_of_what_is_no_membership(self, adata: AnnData, value: float) -> None:
        adata.obsm["clone"] = np.full((5, 1), value)
        with pytest.raises(ValueError, match="holds NaN or negative values"):
            _validate.clones(adata, "clone")

    def test_of_neither(self, adata: AnnData) -> None:
        with pytest.raises(KeyError, match=r"clone_key 'X_pcs' is neither in.*Did you mean 'X_pca'"):
            _validate.clones(adata, "X_pcs")


def test_fates(adata: AnnData) -> None:
    adata.uns["fate"] = {"n_neighbors": 5}
    with pytest.raises(KeyError, match="There are no fates under 'fate'"):
        _validate.fates(adata, "fate")
    adata.obsm["fate"] = np.ones((5, 2))
    assert _validate.fates(adata, "fate") == {"n_neighbors": 5}
    with pytest.raises(KeyError, match="no fates under 'fates'.*Did you mean 'fate'"):
        _validate.fates(adata, "fates")


def test_clonal_cells() -> None:
    _validate.clonal_cells(1, "clone", "6")
    with pytest.raises(ValueError, match="No early cell shares a clone of 'clone' with a late cell of time '6'"):
        _validate.clonal_cells(0, "clone", "6")


def test_corners() -> None:
    _validate.corners(3)
    with pytest.raises(ValueError, match="needs three fates; there are 2: use style 'bars'"):
        _validate.corners(2)


def test_populations() -> None:
    _validate.populations(["a", "b"], "cell_type")
    with pytest.raises(ValueError, match="has 1 population: two are needed"):
        _validate.populations(["a"], "cell_type")

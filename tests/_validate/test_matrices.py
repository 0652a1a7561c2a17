from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from cellot_sc import _validate


def test_finite() -> None:
    x = np.ones((3, 2))
    assert _validate.finite(x, what="X_pca") is x
    x[0, 0], x[0, 1], x[2, 1] = np.nan, -np.inf, np.inf
    with pytest.raises(ValueError, match="X_pca holds NaN or inf in 2 of 3 cells"):
        _validate.finite(x, what="X_pca")


def test_representation_key(adata: AnnData) -> None:
    assert _validate.representation_key(adata, "X_pca") == "X_pca"
    assert _validate.representation_key(adata, "X") == "X"
    with pytest.raises(KeyError, match=r"use_rep 'X_pcs' is not in adata\.obsm\. Did you mean 'X_pca'\?"):
        _validate.representation_key(adata, "X_pcs")


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_finite_of_dense_and_sparse(kind: type) -> None:
    good = kind(np.array([[0.0, 1.0], [2.0, 0.0]]))
    assert _validate.finite(good, what="X") is good
    with pytest.raises(ValueError, match="X holds NaN or inf in 1 of 2 cells"):
        _validate.finite(kind(np.array([[0.0, 1.0], [np.nan, np.inf]])), what="X")


class TestLogExpression:
    def test_is_x(self, adata: AnnData) -> None:
        x, genes = _validate.log_expression(adata, what="baseline")
        assert x is adata.X
        assert genes.tolist() == ["g0", "g1"]

    def test_is_raw_where_x_is_scaled(self, adata: AnnData) -> None:
        adata.raw = adata
        scaled = adata[:, :1].copy()
        assert scaled.X is not None
        scaled.X = scaled.X - 1
        x, genes = _validate.log_expression(scaled, what="baseline")
        np.testing.assert_array_equal(x, adata.X)
        assert genes.tolist() == ["g0", "g1"]

    @pytest.mark.parametrize(
        ("x", "match"),
        [
            pytest.param([[-1.0, 0.5]], "no expression without negative values", id="scaled"),
            pytest.param([[1.0, 3.0]], "whole numbers only, as counts do", id="counts"),
            pytest.param([[0.5, np.inf]], "NaN or inf in 1 of 1 cells", id="infinite"),
        ],
    )
    def test_bad_expression(self, x: list[list[float]], match: str) -> None:
        with pytest.raises(ValueError, match=match):
            _validate.log_expression(AnnData(np.array(x, dtype=np.float32)), what="baseline")

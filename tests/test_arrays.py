from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import xarray as xr
from anndata import AnnData

from cellot_sc import _arrays

X = np.array([[0.0, 1.5], [2.0, 0.0], [0.25, 3.0]])


class OnDevice:
    """Stands for an array of a GPU, which numpy cannot read."""

    shape, dtype = (3, 2), np.dtype("f4")

    def __array__(self, *args: object, **kwargs: object) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")


class Cupy(OnDevice):
    """The same, as cupy names it."""


Cupy.__module__ = "cupy"


class TestMatrix:
    @pytest.mark.parametrize(
        "kind",
        [
            np.asarray,
            np.ma.array,
            sp.csr_matrix,
            sp.csc_array,
            sp.coo_matrix,
            sp.lil_matrix,
            sp.dia_array,
            pd.DataFrame,
            xr.DataArray,
            pytest.param(lambda x: pd.DataFrame(x).astype("Float64"), id="nullable"),
            pytest.param(lambda x: x.tolist(), id="list"),
        ],
    )
    def test_is_taken_where_it_is_in_memory(self, kind: Any) -> None:
        x = _arrays.matrix(kind(X), what="x")
        assert type(x) is np.ndarray or x.format in ("csr", "csc")
        np.testing.assert_array_equal(x.toarray() if sp.issparse(x) else x, X)

    @pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float32, np.longdouble])
    def test_keeps_real_numbers_as_they_are(self, dtype: type) -> None:
        assert _arrays.matrix(X.astype(dtype), what="x").dtype == dtype

    def test_missing_numbers_of_a_table_are_nan(self) -> None:
        table = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [1.5, 2.5]})
        np.testing.assert_array_equal(_arrays.matrix(table, what="x"), [[1, 1.5], [np.nan, 2.5]])

    @pytest.mark.parametrize(
        ("given", "match"),
        [
            pytest.param(None, "x is None", id="none"),
            pytest.param(np.ma.array(X, mask=X > 2), "masked at 1 of 6 values: fill them in", id="masked"),
            pytest.param(da.from_array(X), r"dask\.Array, whose values are not in memory: take", id="dask"),
            pytest.param(xr.DataArray(da.from_array(X)), r"xarray\.DataArray, .* not in memory", id="lazy"),
            pytest.param(AnnData(X), "x is an AnnData: give its X, or one of its obsm", id="adata"),
            pytest.param(Cupy(), r"on a GPU: .* \.get\(\)", id="cupy"),
            pytest.param(OnDevice(), "OnDevice, which numpy cannot read", id="device"),
            pytest.param([[1], [2, 3]], r"builtins\.list, which numpy cannot read", id="ragged"),
            pytest.param(X.astype(object), "is made of object: real numbers", id="object"),
            pytest.param(X.astype(complex), "is made of complex128", id="complex"),
            pytest.param(sp.csr_matrix(X.astype(complex)), "is made of complex128", id="sparse-complex"),
            pytest.param(X.astype(str), "is made of <U", id="text"),
            pytest.param(pd.DataFrame({"a": [1.0], "b": ["c"]}), "columns that are no real numbers: b", id="table"),
            pytest.param(np.zeros(3, dtype=[("a", "f4"), ("b", "f4")]), "is made of", id="structured"),
            pytest.param(X[:, 0], r"has shape \(3,\); \(n_cells, n_dims\) is needed", id="1d"),
            pytest.param(X[:, :0], r"has shape \(3, 0\)", id="no-columns"),
            pytest.param(X[None], r"has shape \(1, 3, 2\)", id="3d"),
        ],
    )
    def test_anything_else_is_refused(self, given: Any, match: str) -> None:
        with pytest.raises(ValueError, match=match):
            _arrays.matrix(given, what="x")

    def test_another_number_of_columns(self) -> None:
        with pytest.raises(ValueError, match=r"x has shape \(3, 2\); \(n_cells, 4\) is needed"):
            _arrays.matrix(X, what="x", n_dims=4)


def test_unmasked() -> None:
    weights = np.ma.array([1.0, 2.0], mask=[False, False])
    assert _arrays.unmasked(weights, what="w") is weights
    weights[1] = np.ma.masked
    with pytest.raises(ValueError, match="w is masked at 1 of 2 values"):
        _arrays.unmasked(weights, what="w")


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_array])
def test_rows_not_finite(kind: Any) -> None:
    x = np.array([[1.0, 0.0], [np.nan, 0.0], [0.0, -1e39], [0.0, 3e38], [np.inf, np.nan]])
    assert _arrays.rows_not_finite(kind(x)).tolist() == [1, 2, 4]
    assert _arrays.rows_not_finite(kind(x > 1)).tolist() == []


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_array])
def test_is_whole(kind: Any) -> None:
    whole = np.array([[0.0, 2.0], [3.0, 0.0], [0.0, 5.0]])
    assert _arrays.is_whole(kind(whole), chunk=2)
    assert _arrays.is_whole(kind(whole.astype(int)))
    for value in (0.5, np.nan, np.inf):
        broken = whole.copy()
        broken[2, 1] = value
        assert not _arrays.is_whole(kind(broken), chunk=2)

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellot_sc.pp._columns import joined, order_of, var_of

VAR = pd.DataFrame({"flag": [True, False, True], "chrom": ["1", "2", "X"]}, index=["a", "b", "c"])


@pytest.mark.parametrize(
    ("columns", "order"), [(None, None), ([2, 0], [1, 0]), ([2, -1, 0], None), ([0, 1, 2], [0, 1, 2])]
)
def test_order(columns: list[int] | None, order: list[int] | None) -> None:
    found = order_of(None if columns is None else np.array(columns))
    assert found is None if order is None else found is not None and found.tolist() == order


@pytest.mark.parametrize(
    ("genes", "columns", "names", "chrom"),
    [
        (["a", "b", "c"], None, ["a", "b", "c"], ["1", "2", "X"]),
        (["c", "a"], [2, 0], ["a", "c"], ["1", "X"]),
        (["C", "A"], [2, 0], ["A", "C"], ["1", "X"]),
        (["c", "x", "a"], [2, -1, 0], ["c", "x", "a"], ["X", None, "1"]),
    ],
)
def test_var(genes: list[str], columns: list[int] | None, names: list[str], chrom: list[str | None]) -> None:
    found = var_of(VAR, genes, None if columns is None else np.array(columns))
    assert found.index.tolist() == names
    assert [None if pd.isna(one) else one for one in found["chrom"]] == chrom
    assert str(found["flag"].dtype) == ("boolean" if None in chrom else "bool")
    assert VAR["flag"].dtype == bool


def test_joined() -> None:
    there = np.array([True, False, True])
    known, filled = np.array([[1.0, 3.0], [0.0, 6.0]]), np.array([[2.0], [5.0]])
    for given in (known, sparse.csr_matrix(known), sparse.csc_matrix(known)):
        found = joined(given, filled, there)
        assert sparse.issparse(found) == sparse.issparse(given)
        dense = found.toarray() if sparse.issparse(found) else found
        np.testing.assert_array_equal(dense, [[1, 2, 3], [0, 5, 6]])

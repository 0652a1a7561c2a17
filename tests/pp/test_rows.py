from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from cellot_sc.pp import _rows

X = np.array([[0.0, 1, 2], [3, 0, 0]])


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.csc_array])
def test_rows_of_every_kind_of_matrix(kind: Any) -> None:
    rows = _rows.by_row(kind(X))[[1, 0]]
    dense = _rows.dense(rows)
    assert dense.dtype == np.float32
    np.testing.assert_array_equal(dense, X[[1, 0]])

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellot_sc import _validate


def cells(*genes: str) -> AnnData:
    return AnnData(np.ones((2, len(genes))), var=pd.DataFrame(index=list(genes)))


def test_same_order_needs_no_columns() -> None:
    assert _validate.gene_columns(cells("a", "b"), ["a", "b"], what="it was") is None


def test_another_order_is_told_by_name() -> None:
    columns = _validate.gene_columns(cells("c", "a", "b"), ["a", "b", "c"], what="it was")
    assert columns is not None
    assert columns.tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("genes", "message"),
    [
        (["a", "x", "y"], "it was fitted on 3 genes, which are not the 2 of adata: 2 of them are absent, such as 'x'"),
        (["b"], r"it has 1 more, such as 'a'. Leave them out: adata\[:, genes\]"),
    ],
)
def test_other_genes(genes: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _validate.gene_columns(cells("a", "b"), genes, what="it was")


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_the_first_of_two_of_a_name_is_not_taken() -> None:
    with pytest.raises(ValueError, match="var_names are not unique"):
        _validate.gene_columns(cells("b", "a", "a"), ["a", "a", "b"], what="it was")

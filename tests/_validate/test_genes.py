from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellot_sc import _validate


def cells(*genes: str) -> AnnData:
    return AnnData(np.ones((2, len(genes))), var=pd.DataFrame(index=list(genes)))


def test_same_order_needs_no_columns() -> None:
    assert _validate.gene_columns(["a", "b"], ["a", "b"], what="it was") is None


@pytest.mark.parametrize(
    ("names", "columns"), [(["c", "a", "b"], [1, 2, 0]), (["d", "c", "d", "a", "b"], [3, 4, 1])], ids=["same", "more"]
)
def test_another_order_is_told_by_name(names: list[str], columns: list[int]) -> None:
    found = _validate.gene_columns(names, ["a", "b", "c"], what="it was")
    assert found is not None
    assert found.tolist() == columns


def test_genes_that_were_filled_may_be_missing() -> None:
    found = _validate.gene_columns(
        ["c", "a"], ["a", "b", "c"], what="it was", filled=np.array(["b", "x"], dtype=object)
    )
    assert found is not None
    assert found.tolist() == [1, -1, 0]
    with pytest.raises(ValueError, match="1 of them are absent, such as 'c'"):
        _validate.gene_columns(["a"], ["a", "b", "c"], what="it was", filled=["b"])


@pytest.mark.parametrize(
    ("genes", "message"),
    [
        (["a", "x", "y"], "it was fitted on 3 genes, which are not the 2 of adata: 2 of them are absent, such as 'x'"),
        (["b"], r"it has 1 more, such as 'a'. Leave them out: adata\[:, genes\]"),
    ],
)
def test_other_genes(genes: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _validate.gene_columns(["a", "b"], genes, what="it was", exact=True)


def test_the_first_of_two_of_a_name_is_not_taken() -> None:
    with pytest.raises(ValueError, match="var_names are not unique, as 'a'"):
        _validate.gene_columns(["b", "a", "a"], ["a", "b"], what="it was")


def test_names() -> None:
    adata = cells("a", "b")
    adata.var["symbol"] = pd.Categorical(["x", "y"])
    assert _validate.names_of_genes(adata) == ["a", "b"]
    assert _validate.names_of_genes(adata, "symbol") == ["x", "y"]
    with pytest.raises(KeyError, match=r"gene_key 'symbl' is not in adata.var. Did you mean 'symbol'"):
        _validate.names_of_genes(adata, "symbl")


def test_places() -> None:
    places, twice = _validate.places_of(["a", "b", "c"], ["c", "x", "x", "a", "c"])
    assert (places.tolist(), twice) == ([3, -1, 0], ["c"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["Isg15", "Ifit1", "Actb"], " 3 are there under other names: they differ in upper and lower case"),
        (["ISG15.2", "IFIT1.1", "ACTB"], " 3 are there under other names: they differ in the version behind the dot"),
        (["ISG15", "IFIT1", "ENSG1"], " Give the genes that are missing, or fit without them."),
        (["u", "v", "w"], " 2 are there under other names: give gene_key='symbol'."),
    ],
)
def test_other_names(names: list[str], message: str) -> None:
    adata = cells(*names)
    if "u" in names:
        adata.var["symbol"] = ["ISG15", "IFIT1", "x"]
    assert _validate.other_names(adata, ["ISG15", "IFIT1", "ACTB"], names, None).startswith(message)

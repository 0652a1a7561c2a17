from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellot_sc import _validate
from cellot_sc.pl import _cells


def test_cells_of_a_split(fitted: AnnData) -> None:
    cells = _cells.shown_cells(fitted, None, key="cellot", split="valid")
    assert (cells.control, cells.space.name, cells.targets) == ("control", "X_cellot", ["drug_a", "drug_b"])
    rows = cells.rows("drug_a", at_most=10**6)
    obs = fitted.obs.iloc[rows]
    assert set(obs["perturbation"]) == {"drug_a"}
    assert set(obs["split"]) == {"valid"}
    np.testing.assert_array_equal(cells.space.read(rows), fitted.obsm["X_cellot"][rows])
    assert set(fitted.obs["split"].iloc[cells.rows("drug_a", at_most=10**6, part="train")]) == {"train"}


def test_a_sample_is_the_same_each_time(fitted: AnnData) -> None:
    cells = _cells.shown_cells(fitted, ["drug_a"], key="cellot", split="test")
    rows = cells.rows("control", at_most=5)
    assert len(set(rows)) == 5
    np.testing.assert_array_equal(rows, cells.rows("control", at_most=5))
    assert set(rows) <= set(cells.rows("control", at_most=10**6))


def test_what_can_be_decoded_is_seen_as_genes(fitted: AnnData) -> None:
    cells = _cells.shown_cells(fitted, ["drug_a"], key="cellot", split="test")
    points = cells.space.read(cells.rows("drug_a", at_most=3))
    assert cells.space.features == list(fitted.var_names)
    assert cells.space.view(points).shape == (3, fitted.n_vars)
    del fitted.uns["X_cellot"]
    assert cells.space.features == [f"X_cellot_{i}" for i in range(8)]
    assert cells.space.view(points) is points


def test_groups(fitted: AnnData) -> None:
    assert _cells.groups(fitted, None) is None
    groups = _cells.groups(fitted, "cell_type")
    assert groups is not None
    assert groups.tolist() == fitted.obs["cell_type"].astype(str).tolist()
    with pytest.raises(KeyError, match="groupby 'celltype' is not in adata.obs. Did you mean 'cell_type'"):
        _cells.groups(fitted, "celltype", what="groupby")


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"targets": "drug_c"}, ValueError, "target 'drug_c' is unknown"),
        ({"split": "tset"}, ValueError, "split 'tset' is unknown. Did you mean 'test'"),
        ({"split": "ood"}, ValueError, "split 'ood' has 0 of 'control'"),
        ({"key": "celot"}, KeyError, "celot"),
    ],
)
def test_errors(fitted: AnnData, kwargs: dict[str, str], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        _cells.shown_cells(fitted, **{"targets": None, "key": "cellot", "split": "test"} | kwargs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("column", "names"),
    [
        (pd.Series(pd.Categorical(["b", None, "a"], categories=["z", "b", "a"])), ["b", "a", None]),
        (pd.Series([10.0, 9.0, np.nan]), ["9.0", "10.0", None]),
        (pd.Series(pd.Categorical([10, 9, 10])), ["9", "10"]),
        (pd.Series([True, False]), ["False", "True"]),
        (pd.Series([2, "a", None], dtype=object), ["2", "a", None]),
        (pd.Series([None, None], dtype=object), [None]),
    ],
)
def test_groups_in_order(column: pd.Series, names: list[str | None]) -> None:
    texts = _validate.texts(column)
    assert [text is None for text in texts] == column.isna().tolist()
    assert _cells.in_order(column, texts) == names


def test_texts_that_mean_missing_are_no_groups(fitted: AnnData) -> None:
    adata = fitted.copy()
    adata.obs["group"] = np.resize(np.array(["b", "nan", "", "a"], dtype=object), adata.n_obs)
    groups = _cells.groups(adata, "group")
    assert groups is not None and groups[:4].tolist() == ["b", None, None, "a"]
    assert _cells.in_order(adata.obs["group"], groups) == ["a", "b", None]
    adata.obs["group"] = np.resize(np.array([1, "1"], dtype=object), adata.n_obs)
    with pytest.raises(ValueError, match="different values with the same text '1'"):
        _cells.groups(adata, "group")


@pytest.mark.parametrize("dtype", ["float32", "float64", "Int64", "datetime64[ns]", "bool"])
@pytest.mark.parametrize("categorical", [False, True])
def test_every_group_has_its_place(fitted: AnnData, dtype: Any, categorical: bool) -> None:
    adata = fitted.copy()
    values = pd.Series(np.resize([0.1, 0.0], adata.n_obs) * (10 if dtype == "Int64" else 1)).astype(dtype)
    adata.obs["group"] = values.astype("category" if categorical else dtype).array
    groups = _cells.groups(adata, "group")
    assert groups is not None
    assert _cells.in_order(adata.obs["group"], groups) == list(dict.fromkeys(groups))[::-1]

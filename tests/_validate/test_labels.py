from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellot_sc import _validate
from cellot_sc._validate import _labels

TEXTS = ["", " ", "nan", "NaN", "None", "NA", "N/A", "<NA>", "null", "NaT"]


def test_clusters_that_were_not_found_yet() -> None:
    adata = AnnData(np.ones((2, 1)), obs=pd.DataFrame({"leiden": ["0", "1"]}, index=["a", "b"]))
    with pytest.raises(KeyError, match=r"by 'effect_cluster' is not in adata.obs: call cs.tl.effect_clusters\(adata\)"):
        _validate.clusters(adata, "effect_cluster", what="by")
    with pytest.raises(KeyError, match=r"by 'leide' is not in adata.obs. Did you mean 'leiden'"):
        _validate.clusters(adata, "leide", what="by")
    assert _validate.clusters(adata, "leiden", what="by").tolist() == ["0", "1"]


class TestTexts:
    @pytest.mark.parametrize(
        ("values", "texts"),
        [
            ([0, 1, 1], ["0", "1", "1"]),
            (np.array([0.1, 0.5, np.nan], dtype=np.float32), ["0.1", "0.5", None]),
            (pd.Categorical(np.array([0.1, 1e-3, 0.1], dtype=np.float32)), ["0.1", "0.001", "0.1"]),
            ([True, False, True], ["True", "False", "True"]),
            (pd.array([1, None, 2], dtype="Int64"), ["1", None, "2"]),
            (pd.array([True, None, False], dtype="boolean"), ["True", None, "False"]),
            (pd.array(["a", None, "b"], dtype="string"), ["a", None, "b"]),
            (pd.Categorical(["b", None, "a"]), ["b", None, "a"]),
            (np.array(["a", None, np.nan], dtype=object), ["a", None, None]),
            (["none", "Na", "nano"], ["none", "Na", "nano"]),
        ],
    )
    def test_of_any_kind(self, values: Any, texts: list[str | None]) -> None:
        assert _validate.texts(pd.Series(values)).tolist() == texts

    @pytest.mark.parametrize("text", TEXTS)
    def test_that_mean_missing(self, text: str) -> None:
        assert _validate.texts(pd.Series(["a", text, "b"])).tolist() == ["a", None, "b"]
        assert _validate.texts(pd.Series(["a", text, "b"]), named=(text,)).tolist() == ["a", text, "b"]

    def test_that_are_one_for_two_values(self) -> None:
        column = pd.Series(np.array([1, "1", 2], dtype=object), name="dose")
        with pytest.raises(
            ValueError, match=r"obs\['dose'\] has different values with the same text '1' \(int and str"
        ):
            _validate.texts(column)


class TestObsKey:
    @pytest.mark.parametrize("key", [["perturbation"], None, 3, ("perturbation",), {"perturbation"}])
    def test_that_is_not_one_name(self, adata: AnnData, key: Any) -> None:
        with pytest.raises(TypeError, match="groupby is .*: the name of one column of adata.obs is needed"):
            _validate.obs_key(adata, key, what="groupby")

    def test_of_two_columns(self, adata: AnnData) -> None:
        adata.obs = pd.concat([adata.obs, adata.obs[["split"]]], axis=1)
        with pytest.raises(ValueError, match="has 2 columns 'split': drop or rename all but one"):
            _validate.obs_key(adata, "split")


def test_complete_names_the_text_and_the_cells(adata: AnnData) -> None:
    adata.obs["cell_type"] = ["T", "nan", "NA", None, "nan"]
    with pytest.raises(ValueError, match=r"missing for 4 cells \(of which 'NA', 'nan' is the text\): leave these out"):
        _labels.complete(adata, "cell_type", what="cell_type")


def test_group_labels_count_the_cells_that_are_left_out(adata: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    adata.obs["cell_type"] = ["T", "nan", "B", None, "B"]
    assert _validate.group_labels(adata, "cell_type").tolist() == ["T", "", "B", "", "B"]
    assert "obs['cell_type'] is missing for 2 cells (of which 'nan' is the text): they are in no group" in caplog.text


@pytest.mark.parametrize(
    "control", [["a", "b"], ("a",), {"a"}, np.array(["a", "b"]), pd.Series(["a"]), [], None, np.nan]
)
def test_one_label(control: Any) -> None:
    with pytest.raises(TypeError, match="control is .*; one label is needed"):
        _labels.one_label(control, what="control")


COLUMNS: dict[str, Any] = {
    "int": [0, 1, 2],
    "small int": np.array([0, 1, 2], dtype=np.int8),
    "float": [0.0, 0.1, 1e-3],
    "small float": np.array([0.0, 0.1, 1e-3], dtype=np.float32),
    "bool": [False, True, False],
    "text": ["a", "b", "c"],
    "strings": pd.array(["a", "b", "c"], dtype="string"),
    "objects": np.array(["a", "b", "c"], dtype=object),
    "nullable int": pd.array([0, 1, None], dtype="Int64"),
    "nullable bool": pd.array([False, True, None], dtype="boolean"),
    "categories": pd.Categorical(["a", "b", "c"]),
    "ordered categories": pd.Categorical(["a", "b", "c"], categories=["c", "b", "a"], ordered=True),
    "categories of int": pd.Categorical([0, 1, 2]),
    "categories of small float": pd.Categorical(np.array([0.0, 0.1, 0.2], dtype=np.float32)),
    "categories of bool": pd.Categorical([False, True, False]),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_relabelled_is_what_it_was(kind: str) -> None:
    column = pd.Series(COLUMNS[kind])
    label = _validate.texts(column)[1]
    back = pd.Series(_validate.relabelled(column, label, 2))
    assert back.dtype == column.dtype
    assert back.tolist() == [column.iloc[1]] * 2


@pytest.mark.parametrize(
    ("values", "label", "value", "dtype"),
    [
        ([0, 0], "3", 3, "int64"),
        ([0, 0], "0.5", 0.5, "float64"),
        ([True, True], "False", False, "bool"),
        (["a", "a"], "b", "b", "str"),
        (pd.array([0, 0], dtype="Int64"), "3", 3, "Int64"),
        (pd.Categorical([0, 2]), "1", 1, pd.CategoricalDtype([0, 1, 2])),
        (pd.Categorical([0, 2]), "0.5", 0.5, pd.CategoricalDtype([0, 0.5, 2])),
        (pd.Categorical(["a"]), "b", "b", pd.CategoricalDtype(["a", "b"])),
        (pd.Categorical([0.0, 2.0]), "2", 2.0, pd.CategoricalDtype([0.0, 2.0])),
        # numbers that stand beside ordered ones, of which no dtype has both
        (pd.Categorical([0, 2], ordered=True), "0.5", 0.5, "float64"),
        # a column of another kind of labels
        ([0, 0], "drug", "drug", pd.CategoricalDtype(["drug"])),
        (None, "drug", "drug", pd.CategoricalDtype(["drug"])),
    ],
)
def test_relabelled_with_a_label_that_no_cell_has(values: Any, label: str, value: Any, dtype: Any) -> None:
    column = None if values is None else pd.Series(values)
    back = pd.Series(_validate.relabelled(column, label, 2))
    assert back.tolist() == [value] * 2
    assert back.dtype == dtype


class TestLearnable:
    COUNTS = {"a": 12, "b": 3, "c": 40, "d": 0}

    def learnable(self, counts: dict[str, int], *, named: bool) -> Sequence[str]:
        return _validate.learnable(counts, 10, named=named, where="obs", unit="train cells", consequence="left out")

    def test_others_are_left_out_with_a_line(self, caplog: pytest.LogCaptureFixture) -> None:
        assert self.learnable(self.COUNTS, named=False) == ["a", "c"]
        assert [r.message for r in caplog.records] == [
            "obs has fewer than 10 train cells of 'b' (3), 'd' (0): left out"
        ]

    def test_named_ones_are_refused_in_one_sentence(self) -> None:
        with pytest.raises(
            ValueError, match=r"train cells of 'b' \(3\), 'd' \(0\); at least 10 are .*: leave these out"
        ):
            self.learnable(self.COUNTS, named=True)

    def test_all_are_too_few(self) -> None:
        with pytest.raises(ValueError, match=r"train cells of 'b' \(3\); at least 10 are needed: label more cells"):
            self.learnable({"b": 3}, named=False)

    def test_of_many_the_number_is_told(self, caplog: pytest.LogCaptureFixture) -> None:
        self.learnable({f"n{i}": i // 40 * 10 for i in range(50)}, named=False)
        assert "'n9' (0) and 30 more: left out" in caplog.text

    def test_nothing_is_said_where_all_have_enough(self, caplog: pytest.LogCaptureFixture) -> None:
        assert self.learnable({"a": 10}, named=True) == ["a"]
        assert not caplog.records

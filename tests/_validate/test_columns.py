from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellot_sc import _validate


def test_obs_key(adata: AnnData) -> None:
    pd.testing.assert_series_equal(_validate.obs_key(adata, "split"), adata.obs["split"])
    with pytest.raises(KeyError, match=r"groupby 'celltype' is not in adata\.obs\. Did you mean 'cell_type'\?"):
        _validate.obs_key(adata, "celltype", what="groupby")


class TestPerturbationLabels:
    def test_returns_text(self, adata: AnnData) -> None:
        labels, control = _validate.perturbation_labels(adata, "perturbation", "control")
        assert control == "control"
        assert labels.tolist() == ["control", "drug_b", "drug_a", "control", "drug_a"]
        assert all(type(label) is str for label in labels)

    def test_reads_numbers_as_text(self, adata: AnnData) -> None:
        adata.obs["dose"] = [0, 1, 2, 0, 2]
        assert _validate.perturbation_labels(adata, "dose", "0")[0].tolist() == ["0", "1", "2", "0", "2"]

    def test_missing_column(self, adata: AnnData) -> None:
        with pytest.raises(KeyError, match=r"perturbation_key 'pertubation' is not.*Did you mean 'perturbation'\?"):
            _validate.perturbation_labels(adata, "pertubation", "control")

    def test_unknown_control(self, adata: AnnData) -> None:
        with pytest.raises(ValueError, match=r"control 'ctrl' is not a category.*Did you mean 'control'\?"):
            _validate.perturbation_labels(adata, "perturbation", "ctrl")

    def test_missing_label(self, adata: AnnData) -> None:
        adata.obs["perturbation"] = pd.Categorical(["control", None, "drug_a", None, "drug_a"])
        with pytest.raises(ValueError, match="is missing for 2 cells"):
            _validate.perturbation_labels(adata, "perturbation", "control")


class TestTargets:
    labels = np.array(["b", "control", "a", "b"], dtype=object)

    def test_default_is_every_other_label_sorted(self) -> None:
        assert _validate.targets(self.labels, "control", None) == ["a", "b"]

    def test_keeps_the_order_that_was_asked_for(self) -> None:
        assert _validate.targets(self.labels, "control", ["b", "a"]) == ["b", "a"]
        assert _validate.targets(self.labels, "control", "b") == ["b"]

    @pytest.mark.parametrize(
        ("wanted", "match"),
        [
            pytest.param(["c"], "target 'c' is unknown", id="unknown"),
            pytest.param("control", "target 'control' is unknown", id="control"),
            pytest.param(["a", "a"], "targets names one twice", id="twice"),
            pytest.param([], "targets is empty", id="none"),
        ],
    )
    def test_bad_targets(self, wanted: str | list[str], match: str) -> None:
        with pytest.raises(ValueError, match=match):
            _validate.targets(self.labels, "control", wanted)

    def test_only_control_cells(self) -> None:
        with pytest.raises(ValueError, match="Every cell is 'control': there is no perturbation to learn"):
            _validate.targets(np.array(["control"] * 3, dtype=object), "control", None)


def test_split_labels(adata: AnnData) -> None:
    assert _validate.split_labels(adata, "split").tolist() == ["train", "valid", "test", "ood", "train"]
    adata.obs["some"] = adata.obs["split"].where(adata.obs["split"] != "valid")
    assert _validate.split_labels(adata, "some").tolist() == ["train", None, "test", "ood", "train"]
    with pytest.raises(KeyError, match=r"split_key 'splits' is not.*Did you mean 'split'\?"):
        _validate.split_labels(adata, "splits")
    with pytest.raises(ValueError, match=r"labels that are no split: \['B', 'NK', 'T'\]\. Valid: train, valid"):
        _validate.split_labels(adata, "cell_type")


def test_group_codes(adata: AnnData) -> None:
    assert _validate.group_codes(adata, "cell_type", what="unit").tolist() == [2, 0, 0, 2, 1]
    with pytest.raises(KeyError, match=r"unit 'celltype' is not.*Did you mean 'cell_type'\?"):
        _validate.group_codes(adata, "celltype", what="unit")
    adata.obs["cell_type"] = pd.Categorical(["T", None, "B", "T", "NK"])
    with pytest.raises(ValueError, match=r"adata\.obs\['cell_type'\] is missing for 1 cells"):
        _validate.group_codes(adata, "cell_type", what="unit")


def test_categories(adata: AnnData) -> None:
    labels, codes = _validate.categories(adata, "cell_type", what="baseline")
    assert labels == ["B", "NK", "T"]
    assert codes.tolist() == [2, 0, 0, 2, 1]
    adata.obs["cell_type"] = pd.Categorical(["T", None, "B", "T", "NK"])
    with pytest.raises(ValueError, match=r"baseline\.obs\['cell_type'\] is missing for 1 cells"):
        _validate.categories(adata, "cell_type", what="baseline")


def test_group_labels(adata: AnnData) -> None:
    assert _validate.group_labels(adata, "cell_type", reserved=["all"]).tolist() == ["T", "B", "B", "T", "NK"]
    adata.obs["cell_type"] = pd.Categorical(["T", None, "B", "T", "NK"])
    assert _validate.group_labels(adata, "cell_type", reserved=["all"]).tolist() == ["T", "", "B", "T", "NK"]
    with pytest.raises(ValueError, match="groupby 'cell_type' has a category 'NK', which names a summary"):
        _validate.group_labels(adata, "cell_type", reserved=["NK"])
    with pytest.raises(KeyError, match="groupby 'celltype'"):
        _validate.group_labels(adata, "celltype", reserved=["all"])


def test_tables() -> None:
    table = pd.DataFrame({"metric": ["mmd"], "value": [0.5]})
    _validate.table_columns(table, ["metric", "value"])
    with pytest.raises(
        KeyError, match="no column 'values': one made by cs.tl.evaluate is needed.*Did you mean 'value'"
    ):
        _validate.table_columns(table, ["values"])
    with pytest.raises(ValueError, match="table has no rows: one made by cs.tl.signature is needed"):
        _validate.table_columns(table.iloc[:0], ["metric"], maker="cs.tl.signature")


def test_cells_without_a_value_are_in_no_group(adata: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    adata.obs["patient"] = ["a", None, "b", "a", np.nan]
    assert _validate.held_out(adata, {"patient": ["a"]}).tolist() == [True, False, False, True, False]
    assert "holdout: 2 of 5 cells have no obs['patient'], and are in none of its groups" in caplog.text

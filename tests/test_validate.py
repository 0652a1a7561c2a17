"""The checks on user input return what they were given, or raise one clear error and change nothing."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import cellot_sc as cs
from cellot_sc import _validate


@pytest.fixture
def adata() -> AnnData:
    obs = pd.DataFrame(
        {
            "perturbation": ["control", "drug_b", "drug_a", "control", "drug_a"],
            "split": ["train", "valid", "test", "ood", "train"],
            "cell_type": ["T", "B", "B", "T", "NK"],
        },
        index=[f"cell_{i}" for i in range(5)],
    )
    x = np.array([[0.0, 1.5], [2.5, 0.0], [0.0, 0.0], [1.5, 1.5], [0.5, 0.0]], dtype=np.float32)
    return AnnData(x, obs=obs, var=pd.DataFrame(index=["g0", "g1"]), obsm={"X_pca": x.copy()})


class TestNearest:
    def test_offers_the_nearest_name_and_then_all(self) -> None:
        assert _validate.nearest("pertubation", ["cell_type", "perturbation"]) == (
            " Did you mean 'perturbation'? Valid: 'cell_type', 'perturbation'."
        )

    def test_offers_nothing_that_is_far(self) -> None:
        assert _validate.nearest("zzz", ["abc"]) == " Valid: 'abc'."

    def test_says_when_there_are_none(self) -> None:
        assert _validate.nearest("a", []) == " There are none."

    def test_shows_twenty_names_at_most(self) -> None:
        sentence = _validate.nearest("zzz", [f"name{i}" for i in range(21)])
        assert sentence.count("'name") == 20
        assert sentence.endswith("'name19', ....")


def test_one_of() -> None:
    assert _validate.one_of("a", iter("ab"), what="letter") == "a"
    with pytest.raises(ValueError, match=r"^metric 'mdm' is unknown\. Did you mean 'mmd'\? Valid: 'mmd', 'energy'\.$"):
        _validate.one_of("mdm", ["mmd", "energy"], what="metric")


def test_obs_key(adata: AnnData) -> None:
    pd.testing.assert_series_equal(_validate.obs_key(adata, "split"), adata.obs["split"])
    with pytest.raises(KeyError, match=r"groupby 'celltype' is not in adata\.obs\. Did you mean 'cell_type'\?"):
        _validate.obs_key(adata, "celltype", what="groupby")


class TestPerturbationLabels:
    def test_returns_text(self, adata: AnnData) -> None:
        labels = _validate.perturbation_labels(adata, "perturbation", "control")
        assert labels.tolist() == ["control", "drug_b", "drug_a", "control", "drug_a"]
        assert all(type(label) is str for label in labels)

    def test_reads_numbers_as_text(self, adata: AnnData) -> None:
        adata.obs["dose"] = [0, 1, 2, 0, 2]
        assert _validate.perturbation_labels(adata, "dose", "0").tolist() == ["0", "1", "2", "0", "2"]

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
            pytest.param(["a", "a"], "names a perturbation twice", id="twice"),
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


def test_enough_cells() -> None:
    _validate.enough_cells(10, what="control")
    with pytest.raises(ValueError, match="'drug' has 9 train cells; at least 10 are needed"):
        _validate.enough_cells(9, what="'drug'")


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


@pytest.mark.parametrize("value", [1, 0.5, np.int64(3), np.float32(0.1)])
def test_positive(value: float) -> None:
    assert _validate.positive(value, what="step") is value


@pytest.mark.parametrize("value", [0, -1, -0.5, float("nan"), True, "3", None])
def test_not_positive(value: float) -> None:
    with pytest.raises(ValueError, match="step is .*; a positive number is needed"):
        _validate.positive(value, what="step")


@pytest.mark.parametrize("value", [0, -3, 2.5, 2.0, True, "3"])
def test_not_a_positive_whole_number(value: float) -> None:
    with pytest.raises(ValueError, match="n_cells is .*; a positive whole number is needed"):
        _validate.positive(value, what="n_cells", integer=True)


@pytest.mark.parametrize("value", [0, 0.2, np.float64(0.999)])
def test_fraction(value: float) -> None:
    checked = _validate.fraction(value, what="test_fraction")
    assert type(checked) is float
    assert checked == value


@pytest.mark.parametrize("value", [-0.1, 1, 1.5, float("nan"), True, False, "0.2", None])
def test_not_a_fraction(value: float) -> None:
    with pytest.raises(ValueError, match=r"test_fraction is .*; a number in \[0, 1\) is needed"):
        _validate.fraction(value, what="test_fraction")


def test_unique_obs_names(adata: AnnData) -> None:
    _validate.unique_obs_names(adata)
    with pytest.warns(UserWarning, match="not unique"):
        twice = ad.concat([adata, adata[:2]])
    with pytest.raises(ValueError, match=r"not unique \(\['cell_0', 'cell_1'\] \.\.\.\): call adata\.obs_names_make"):
        _validate.unique_obs_names(twice)


def test_no_unknown() -> None:
    _validate.no_unknown({"steps": 3}, ["steps", "batch_size"], what="solver 'icnn'")
    with pytest.raises(TypeError, match=r"solver 'icnn' has no option 'step'\. Did you mean 'steps'\?"):
        _validate.no_unknown({"step": 3}, ["steps", "batch_size"], what="solver 'icnn'")


def test_writable(tmp_path: Path) -> None:
    path = tmp_path / "out.h5ad"
    assert _validate.writable(path, overwrite=False) == path
    path.write_text("old")
    assert _validate.writable(path, overwrite=True) == path
    with pytest.raises(FileExistsError, match=r"out\.h5ad exists; --overwrite replaces it"):
        _validate.writable(path, overwrite=False)
    assert path.read_text() == "old"


def test_group_codes(adata: AnnData) -> None:
    assert _validate.group_codes(adata, "cell_type", what="pair_by").tolist() == [2, 0, 0, 2, 1]
    with pytest.raises(KeyError, match=r"pair_by 'celltype' is not.*Did you mean 'cell_type'\?"):
        _validate.group_codes(adata, "celltype", what="pair_by")
    adata.obs["cell_type"] = pd.Categorical(["T", None, "B", "T", "NK"])
    with pytest.raises(ValueError, match=r"adata\.obs\['cell_type'\] is missing for 1 cells"):
        _validate.group_codes(adata, "cell_type", what="pair_by")


class TestCellPositions:
    @pytest.mark.parametrize(
        ("cells", "positions"),
        [
            pytest.param([False, True, False, False, True], [1, 4], id="mask"),
            pytest.param(pd.Series([True] * 5), [0, 1, 2, 3, 4], id="series"),
            pytest.param(["cell_3", "cell_0"], [3, 0], id="names"),
            pytest.param([4, 0, -1], [4, 0, 4], id="positions"),
        ],
    )
    def test_are_those_of_the_chosen_cells(self, adata: AnnData, cells: object, positions: list[int]) -> None:
        assert _validate.cell_positions(adata, cells).tolist() == positions

    @pytest.mark.parametrize(
        ("cells", "error", "match"),
        [
            pytest.param([True], ValueError, "mask of 1 cells; adata has 5", id="short mask"),
            pytest.param([False] * 5, ValueError, "chooses no cell", id="empty mask"),
            pytest.param([], ValueError, "at least one cell", id="nothing"),
            pytest.param([[1]], ValueError, r"shape \(1, 1\)", id="matrix"),
            pytest.param([0, 5], IndexError, "position 5; adata has 5 cells", id="beyond"),
            pytest.param([-6], IndexError, "position -6", id="before"),
            pytest.param(["cell_0", "cel_1"], KeyError, "cell 'cel_1' is not.*Did you mean 'cell_1'", id="unknown"),
        ],
    )
    def test_bad_choice(self, adata: AnnData, cells: object, error: type[Exception], match: str) -> None:
        with pytest.raises(error, match=match):
            _validate.cell_positions(adata, cells)


def test_at_least() -> None:
    assert _validate.at_least(3, 3, what="n_cells", why="one for each") == 3
    with pytest.raises(ValueError, match=r"^n_cells is 2; at least 3 are needed: one for each\.$"):
        _validate.at_least(2, 3, what="n_cells", why="one for each")


@pytest.mark.parametrize("value", [0, 7, np.uint32(7)])
def test_seed(value: int) -> None:
    checked = _validate.seed(value)
    assert type(checked) is int
    assert checked == value


def test_n_boot_may_be_0_for_no_intervals() -> None:
    assert _validate.n_boot(0) == 0


def takes(parameter: str) -> list[str]:
    """Return the public functions that have a parameter."""
    public = (
        f"{space}.{name}" for space in sorted({*cs.__all__} - {"settings"}) for name in getattr(cs, space).__all__
    )
    return [name for name in public if parameter in _parameters(name)]


def _parameters(name: str) -> Mapping[str, inspect.Parameter]:
    function = operator.attrgetter(name)(cs)
    return inspect.signature(function).parameters if inspect.isfunction(function) else {}


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    """What public functions cannot do without."""
    adata = cs.datasets.simulate(200, 20, seed=0)
    cs.tl.cellot(adata, solver="mean_shift")
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    return {
        "adata": adata,
        "table": cs.tl.evaluate(adata, metrics="energy_distance", n_boot=0),
        "problems": [cs.ot.Problem(x, x + 1, x, x + 1)],
        "x": x,
        "y": x + 1,
        "groupby": "cell_type",
        "feature": "gene_0",
        "population_key": "cell_type",
        "time_key": "patient",
    }


@pytest.mark.parametrize("value", [-1, 0.5, True, "0", None])
@pytest.mark.parametrize(
    ("name", "parameter"), [(name, parameter) for parameter in ("seed", "n_boot") for name in takes(parameter)]
)
def test_seed_and_n_boot_are_checked_alike(given: dict[str, Any], name: str, parameter: str, value: object) -> None:
    needed = [p.name for p in _parameters(name).values() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    arguments = {needed_name: given[needed_name] for needed_name in needed}
    with pytest.raises(ValueError) as error:
        operator.attrgetter(name)(cs)(**arguments, **{parameter: value})
    assert str(error.value) == f"{parameter} is {value!r}; a whole number, 0 or more, is needed."


def test_new_names() -> None:
    assert _validate.new_names("a", reserved="control", what="perturbations") == ["a"]
    assert _validate.new_names(("b", "a"), reserved="control", what="perturbations") == ["b", "a"]


@pytest.mark.parametrize(
    ("names", "match"),
    [
        pytest.param([], "perturbations is empty", id="none"),
        pytest.param(["a", ""], "has '': a name is text", id="empty"),
        pytest.param(["a/b"], "has 'a/b': a name is text", id="slash"),
        pytest.param([1], "has 1: a name is text", id="number"),
        pytest.param(["control"], "has 'control', which names the other cells", id="reserved"),
        pytest.param(["a", "a"], "names one twice", id="twice"),
    ],
)
def test_bad_new_names(names: list[str], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        _validate.new_names(names, reserved="control", what="perturbations")


def test_categories(adata: AnnData) -> None:
    labels, codes = _validate.categories(adata, "cell_type", what="baseline")
    assert labels == ["B", "NK", "T"]
    assert codes.tolist() == [2, 0, 0, 2, 1]
    adata.obs["cell_type"] = pd.Categorical(["T", None, "B", "T", "NK"])
    with pytest.raises(ValueError, match=r"baseline\.obs\['cell_type'\] is missing for 1 cells"):
        _validate.categories(adata, "cell_type", what="baseline")


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_finite_expression(kind: type) -> None:
    good = kind(np.array([[0.0, 1.0], [2.0, 0.0]]))
    assert _validate.finite_expression(good, what="X") is good
    with pytest.raises(ValueError, match="X holds NaN or inf in 1 of 2 cells"):
        _validate.finite_expression(kind(np.array([[0.0, 1.0], [np.nan, np.inf]])), what="X")


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


def test_some_of() -> None:
    assert _validate.some_of("a", "ab", what="letter") == ["a"]
    assert _validate.some_of(iter("bab"), "abc", what="letter") == ["b", "a"]
    with pytest.raises(ValueError, match=r"letter 'd' is unknown"):
        _validate.some_of(["a", "d"], "ab", what="letter")
    with pytest.raises(ValueError, match=r"letter is empty: give at least one\. Valid: 'a', 'b'"):
        _validate.some_of([], "ab", what="letter")


def test_group_labels(adata: AnnData) -> None:
    assert _validate.group_labels(adata, "cell_type", reserved=["all"]).tolist() == ["T", "B", "B", "T", "NK"]
    adata.obs["cell_type"] = pd.Categorical(["T", None, "B", "T", "NK"])
    assert _validate.group_labels(adata, "cell_type", reserved=["all"]).tolist() == ["T", "", "B", "T", "NK"]
    with pytest.raises(ValueError, match="groupby 'cell_type' has a category 'NK', which names a summary"):
        _validate.group_labels(adata, "cell_type", reserved=["NK"])
    with pytest.raises(KeyError, match="groupby 'celltype'"):
        _validate.group_labels(adata, "celltype", reserved=["all"])


def test_cells_to_judge() -> None:
    assert _validate.cells_to_judge({"control": 2, "a": 2, "b": 1}, "control", split="test") == ["a"]
    for counts in ({"control": 1, "a": 2}, {"control": 2, "a": 1}):
        with pytest.raises(
            ValueError, match=rf"split 'ood' has {counts['control']} of 'control', {counts['a']} of 'a'"
        ):
            _validate.cells_to_judge(counts, "control", split="ood")

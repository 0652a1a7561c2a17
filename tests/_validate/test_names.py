from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellot_sc import _validate
from cellot_sc._validate import _names


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


def test_no_unknown() -> None:
    _validate.no_unknown({"steps": 3}, ["steps", "batch_size"], what="solver 'icnn'")
    with pytest.raises(TypeError, match=r"solver 'icnn' has no option 'step'\. Did you mean 'steps'\?"):
        _validate.no_unknown({"step": 3}, ["steps", "batch_size"], what="solver 'icnn'")


def test_new_names() -> None:
    assert _validate.new_names("a", reserved="control", what="perturbations") == ["a"]
    assert _validate.new_names(("b", "a"), reserved="control", what="perturbations") == ["b", "a"]


@pytest.mark.parametrize(
    ("names", "match"),
    [
        pytest.param([], "perturbations is empty", id="none"),
        pytest.param(["a", ""], "has '': a name is text", id="empty"),
        pytest.param("", "has '': a name is text", id="nothing but one empty"),
        pytest.param(["a/b"], "has 'a/b': a name is text", id="slash"),
        pytest.param([1], "has 1: a name is text", id="number"),
        pytest.param(["control"], "has 'control', which names the other cells", id="reserved"),
        pytest.param(["a", "a"], "names one twice", id="twice"),
    ],
)
def test_bad_new_names(names: str | list[str], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        _validate.new_names(names, reserved="control", what="perturbations")


def test_some_of() -> None:
    assert _validate.some_of("a", "ab", what="letter") == ["a"]
    assert _validate.some_of(iter("bab"), "abc", what="letter") == ["b", "a"]
    assert _validate.some_of(None, iter("ab"), what="letter") == ["a", "b"]
    with pytest.raises(ValueError, match=r"letter 'd' is unknown"):
        _validate.some_of(["a", "d"], "ab", what="letter")
    with pytest.raises(ValueError, match=r"letter is empty: give at least one\. Valid: 'a', 'b'"):
        _validate.some_of([], "ab", what="letter")


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("2.0", "2.0"),
        (1, "1"),
        (1.0, "1"),
        (0.5, "0.5"),
        ("0.50", "0.5"),
        (True, "True"),
        (2, "2"),
        (7, "7"),
        (3.0, "3.0"),
    ],
)
def test_same_label(value: object, label: str) -> None:
    # 3.0 is both, so neither
    assert _names.same_label(value, ["1", "0.5", "True", "2.0", "2", "3", "03"]) == label


@pytest.mark.parametrize("labels", [["False", "True"], ["0", "1"], ["0.0", "1.0"], ["false", "true"]])
def test_truth_values_are_0_and_1(labels: list[str]) -> None:
    for value in (False, np.False_, 0, np.int64(0), 0.0, "False", "false", "0"):
        assert _names.same_label(value, labels) == labels[0]
    for truth in (True, np.True_, 1, 1.0, "TRUE"):
        assert _names.same_label(truth, labels) == labels[1]
    assert _names.same_label(2, labels) == "2" and _names.same_label("", labels) == ""


def test_as_named() -> None:
    labels = np.array(["0.0", "1.0", "drug"], dtype=object)
    assert _validate.as_named(labels, ["0", "drug"]).tolist() == ["0", "1.0", "drug"]


def test_label_of() -> None:
    assert _names.label_of(1, ["1.0", "2.0"], what="target") == "1.0"
    with pytest.raises(ValueError, match="target 3 is unknown. Valid: '1.0', '2.0'"):
        _names.label_of(3, ["1.0", "2.0"], what="target")


@pytest.mark.parametrize(
    ("given", "several"), [("ab", ["ab"]), (1, [1]), ([1, "a"], [1, "a"]), (np.array(["a"]), ["a"]), (None, [None])]
)
def test_several(given: object, several: list[object]) -> None:
    assert _validate.several(given) == several


def test_not_summary() -> None:
    _validate.not_summary(["a", "means"], ["mean"], what="unit 'patient'")
    with pytest.raises(ValueError, match="unit 'patient' has a category 'mean', which names a summary in tables"):
        _validate.not_summary(["a", "mean"], ["mean"], what="unit 'patient'")


def test_a_name_of_two_features() -> None:
    with pytest.raises(ValueError, match="2 features are named 'g1': call adata.var_names_make_unique"):
        _validate.feature_names("g1", ["g0", "g1", "g1"])
    assert _validate.feature_names("g0", ["g0", "g1", "g1"]) == ["g0"]
    with pytest.raises(
        ValueError, match=r"var_names are not unique \(\['g1'\] ...\): call adata.var_names_make_unique"
    ):
        _validate.unique_var_names(pd.Index(["g0", "g1", "g1"]))


def test_one_key() -> None:
    _validate.one_key("split", what="split_key")
    with pytest.raises(TypeError, match=r"split_key is \['split'\]: the name of one column of adata.obs is needed"):
        _validate.one_key(["split"], what="split_key")

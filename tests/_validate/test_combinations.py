from __future__ import annotations

from typing import Any

import pytest

from cellot_sc import _validate

SINGLES = ["a", "b", "CD3+", "1"]


def test_labels_that_join_two() -> None:
    labels = ["control", "a", "b", "a+b", "b + CD3+", "a+a", "a+c", "a+b+1", "CD3+"]
    assert _validate.combinations_of(None, labels, SINGLES) == {"a+b": ("a", "b"), "b + CD3+": ("b", "CD3+")}


def test_labels_that_are_given() -> None:
    assert _validate.combinations_of({"both": ["b", "a"]}, ["both", "a"], SINGLES) == {"both": ("b", "a")}
    assert _validate.combinations_of({2: ("a", 1.0)}, ["2"], SINGLES) == {"2": ("a", "1")}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (3, "a mapping of labels to two single perturbations each"),
        (["a+b"], "a mapping of labels to two single perturbations each"),
        ({"bth": ("a", "b")}, "Did you mean 'both'"),
        ({"both": ("a", "c")}, "'c' is unknown"),
        ({"both": "ab"}, "two different perturbations are needed"),
        ({"both": ("a", "a")}, "names one twice"),
        ({"both": ("a", ["b"])}, "is unknown"),
    ],
)
def test_what_is_no_combination(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        _validate.combinations_of(given, ["both", "a"], SINGLES)


def test_some_of_them() -> None:
    known = {"a+b": ("a", "b"), "x": ("a", "c")}
    assert _validate.some_combinations(None, known, "perturbation") == ["a+b", "x"]
    assert _validate.some_combinations("x", known, "perturbation") == ["x"]
    with pytest.raises(ValueError, match=r"combinations=\{'a_and_b': \('a', 'b'\)\}"):
        _validate.some_combinations(None, {}, "perturbation")


def test_a_target_that_two_others_would_predict() -> None:
    maps = dict.fromkeys(SINGLES)
    assert _validate.fitted_targets(None, maps) == SINGLES
    assert _validate.fitted_targets("CD3+", maps) == ["CD3+"]
    with pytest.raises(ValueError, match=r"predict_combination\(adata, \['b', 'a'\]\)"):
        _validate.fitted_targets(["a", "b+a"], maps)
    with pytest.raises(ValueError, match="target 'a\\+c' is unknown"):
        _validate.fitted_targets("a+c", maps)


def test_pairs_to_simulate() -> None:
    assert _validate.pairs_to_simulate([("a", "b")], ["a", "b"]) == {"a+b": ("a", "b")}
    with pytest.raises(ValueError, match="names a combination"):
        _validate.pairs_to_simulate([("a", "b")], ["a", "b", "a+b"])
    with pytest.raises(ValueError, match="a list of pairs is needed"):
        _validate.pairs_to_simulate(3, ["a", "b"])


def test_no_course() -> None:
    _validate.no_course(None)
    with pytest.raises(ValueError, match="two times are no combination"):
        _validate.no_course((0.0, 1.0))

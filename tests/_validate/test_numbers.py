from __future__ import annotations

import numpy as np
import pytest

from cellot_sc import _validate


def test_enough_cells() -> None:
    _validate.enough_cells(10, what="control")
    with pytest.raises(ValueError, match="'drug' has 9 train cells; at least 10 are needed"):
        _validate.enough_cells(9, what="'drug'")


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


def test_at_least() -> None:
    assert _validate.at_least(3, 3, what="n_cells", why="one for each") == 3
    with pytest.raises(ValueError, match=r"^n_cells is 2; at least 3 are needed: one for each\.$"):
        _validate.at_least(2, 3, what="n_cells", why="one for each")


@pytest.mark.parametrize("value", [0, 7, np.uint32(7)])
def test_seed(value: int) -> None:
    checked = _validate.seed(value)
    assert type(checked) is int
    assert checked == value


@pytest.mark.parametrize("value", [-1, 0.5, True, "0", None])
def test_bad_seed(value: int) -> None:
    with pytest.raises(ValueError, match="seed is .*; a whole number, 0 or more, is needed"):
        _validate.seed(value)


def test_cells_to_judge() -> None:
    assert _validate.cells_to_judge({"control": 2, "a": 2, "b": 1}, "control", split="test") == ["a"]
    for counts in ({"control": 1, "a": 2}, {"control": 2, "a": 1}):
        with pytest.raises(
            ValueError, match=rf"split 'ood' has {counts['control']} of 'control', {counts['a']} of 'a'"
        ):
            _validate.cells_to_judge(counts, "control", split="ood")

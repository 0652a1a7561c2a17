from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellot_sc import _numbers


@pytest.mark.parametrize("value", [0, 7, np.uint32(7), 2**32 - 1])
def test_seed(value: Any) -> None:
    checked = _numbers.seed(value)
    assert type(checked) is int
    assert checked == value


@pytest.mark.parametrize("value", [-1, 2**32, 2**64, 10**400, True, np.True_, 1.0, None, "1", np.float32(1), [1]])
def test_what_is_no_seed(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^seed is .*; a whole number.* is needed\.$"):
        _numbers.seed(value)


def test_whole_number_from_the_least_to_the_most() -> None:
    assert _numbers.whole(2, 2, what="k") == 2
    with pytest.raises(ValueError, match=r"^k is 1; a whole number, 2 or more, is needed\.$"):
        _numbers.whole(1, 2, what="k")
    assert _numbers.whole(5, 2, what="k", most=5) == 5
    with pytest.raises(ValueError, match=r"^k is 5000; a whole number of at most 4,999 is needed\.$"):
        _numbers.whole(5000, 2, what="k", most=4999)
    with pytest.raises(ValueError, match=r"at most 2,147,483,647 is"):
        _numbers.whole(2**31, 1, what="k")


@pytest.mark.parametrize("value", [0, -3, 2.5, 2.0, True, "3", None, np.nan, np.array([1, 2])])
def test_not_a_positive_whole_number(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^n_cells is .*; a positive whole number is needed\.$"):
        _numbers.whole(value, 1, what="n_cells")


@pytest.mark.parametrize("value", [1, 1e-30, 1e30, np.float32(0.5), np.int8(3)])
def test_positive_numbers(value: Any) -> None:
    checked = _numbers.positive(value, what="a")
    assert type(checked) is float
    assert checked == value


@pytest.mark.parametrize("value", [0, -1.0, np.inf, np.nan, True, "1", None, 1j, [1.0]])
def test_what_is_not_positive(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^a is .*; a positive, finite number is needed\.$"):
        _numbers.positive(value, what="a")
    if value == 0 and value is not True:
        assert _numbers.positive(value, what="a", or_zero=True) == 0
        return
    with pytest.raises(ValueError, match=r"^a is .*; a finite number, 0 or more, is needed\.$"):
        _numbers.positive(value, what="a", or_zero=True)


@pytest.mark.parametrize("value", [1e-31, 1e31, 5e-324, 10**400])
def test_what_single_precision_does_not_hold(value: Any) -> None:
    for or_zero in (False, True):
        with pytest.raises(ValueError, match=r"^a is .*; a number from 1e-30 to 1e\+30 is needed\.$"):
            _numbers.positive(value, what="a", or_zero=or_zero)


def test_reals() -> None:
    assert _numbers.reals([1, 0.5], what="a") == [1.0, 0.5]
    for values in (None, 1.0, ["1"], [True], [None], (1,)):
        with pytest.raises(ValueError, match=r"^a is .*; a list of numbers is needed\.$"):
            _numbers.reals(values, what="a")


def test_whatever_is_shown_is_short() -> None:
    assert _numbers.shown("a") == "'a'"
    assert _numbers.shown(10**5000) == "a number of more digits than Python prints"
    assert len(_numbers.shown(list(range(1000)))) == _numbers.SHOWN
    assert "\n" not in _numbers.shown(np.eye(3))

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellot_sc import _numbers


@pytest.mark.parametrize("value", [0, 7, np.uint32(7)])
def test_seed(value: Any) -> None:
    checked = _numbers.seed(value)
    assert type(checked) is int
    assert checked == value


def test_whole_number_from_the_least_on() -> None:
    assert _numbers.whole(2, 2, what="k") == 2
    with pytest.raises(ValueError, match=r"^k is 1; a whole number, 2 or more, is needed\.$"):
        _numbers.whole(1, 2, what="k")


@pytest.mark.parametrize("value", [0, -3, 2.5, 2.0, True, "3", None])
def test_not_a_positive_whole_number(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^n_cells is .*; a positive whole number is needed\.$"):
        _numbers.whole(value, 1, what="n_cells")

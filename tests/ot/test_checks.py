from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cellot_sc.ot import _checks


@pytest.mark.parametrize("value", [1, np.int64(7), 10**9])
def test_counts(value: Any):
    _checks.counts(SimpleNamespace(a=value), "a")


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "1", None, np.nan])
def test_what_is_no_count(value: Any):
    with pytest.raises(ValueError, match="b is .*; a positive whole number is needed"):
        _checks.counts(SimpleNamespace(a=1, b=value), "a", "b")


@pytest.mark.parametrize("value", [1, 1e-30, np.float32(0.5)])
def test_positive_numbers(value: Any):
    _checks.positive(SimpleNamespace(a=value), "a")


@pytest.mark.parametrize("value", [0, -1.0, np.inf, np.nan, True, "1", None])
def test_what_is_not_positive(value: Any):
    with pytest.raises(ValueError, match="a is .*; a positive, finite number is needed"):
        _checks.positive(SimpleNamespace(a=value), "a")
    if value == 0 and value is not True:
        _checks.positive(SimpleNamespace(a=value), "a", or_zero=True)
        return
    with pytest.raises(ValueError, match="a is .*; a finite number, 0 or more, is needed"):
        _checks.positive(SimpleNamespace(a=value), "a", or_zero=True)


@pytest.mark.parametrize(("given", "expected"), [(8, (8,)), ([8, 4], (8, 4)), (np.array([8, 4]), (8, 4))])
def test_several_whole_numbers(given: Any, expected: tuple[int, ...]):
    assert _checks.several(SimpleNamespace(hidden=given), "hidden", whole=True) == expected


@pytest.mark.parametrize(("given", "expected"), [(0.5, (0.5,)), ([8, 0.4], (8.0, 0.4)), (np.float32(2), (2.0,))])
def test_several_numbers(given: Any, expected: tuple[float, ...]):
    assert _checks.several(SimpleNamespace(penalties=given), "penalties") == expected


@pytest.mark.parametrize("given", [(), (8, 0), "8", (2.5,), (True,), None])
def test_what_are_no_whole_numbers(given: Any):
    with pytest.raises(ValueError, match="hidden is .*; a positive whole number is needed"):
        _checks.several(SimpleNamespace(hidden=given), "hidden", whole=True)

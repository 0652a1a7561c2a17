from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cellot_sc.ot import AffineMap, ContextMap, MeanShiftMap
from cellot_sc.tl._effects.combination_ways import RULES, Pair, added

FIT: Any = SimpleNamespace(scaled=lambda points: points)
X = np.array([[1.0, 2.0], [3.0, -1.0]], dtype=np.float32)
DOUBLED = AffineMap(2 * np.eye(2), np.zeros(2), np.zeros(2))
SHIFTED = MeanShiftMap(np.array([1.0, 0.0]))


def test_each_way() -> None:
    pair = Pair(FIT, DOUBLED, SHIFTED, X, None)
    np.testing.assert_allclose(pair.moved("a_then_b"), 2 * X + (1, 0))
    np.testing.assert_allclose(pair.moved("b_then_a"), 2 * (X + (1, 0)))
    np.testing.assert_allclose(pair.moved("sum"), 2 * X + (1, 0))
    assert pair.moved("sum").dtype == np.float32
    np.testing.assert_allclose(added(X, X + 1, X - 2), X - 1)


@pytest.mark.parametrize("turned", [False, True])
def test_which_comes_first_does_not_depend_on_which_is_named_first(turned: bool) -> None:
    first, second = (SHIFTED, DOUBLED) if turned else (DOUBLED, SHIFTED)
    pair = Pair(FIT, first, second, X, None)
    assert pair.further == ("b" if turned else "a")
    moved = {rule: pair.moved(pair.way(rule)) for rule in RULES}
    np.testing.assert_allclose(moved["larger_first"], 2 * X + (1, 0))
    np.testing.assert_allclose(moved["smaller_first"], 2 * (X + (1, 0)))


def test_contexts_hold_for_both_maps() -> None:
    of_types = ContextMap(SHIFTED, [MeanShiftMap(np.array([0.0, 5.0]))], ["T"])
    pair = Pair(FIT, of_types, DOUBLED, X, np.array([["T"], ["B"]]))
    np.testing.assert_allclose(pair.moved("a_then_b"), 2 * (X + [[0, 5], [1, 0]]))
    np.testing.assert_allclose(pair.moved("b_then_a"), 2 * X + [[0, 5], [1, 0]])

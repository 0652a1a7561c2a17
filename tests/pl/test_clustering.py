from __future__ import annotations

from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cellot_sc.pl import _clustering


def test_few_rows_have_no_tree() -> None:
    assert _clustering.tree_of(np.ones((2, 3))) is None
    assert _clustering.leaves(None, 2).tolist() == [0, 1]


def test_rows_that_are_alike_are_neighbours() -> None:
    rows = np.array([[0.0, 0], [10, 10], [0.1, 0], [10, 10.1]])
    tree = _clustering.tree_of(rows)
    order = _clustering.leaves(tree, 4).tolist()
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 2}), frozenset({1, 3})}


@pytest.mark.parametrize(("side", "along"), [("top", 0), ("right", 1)])
def test_leaves_of_a_tree_stand_at_the_rows(side: Literal["top", "right"], along: int) -> None:
    _, ax = plt.subplots()
    tree = _clustering.tree_of(np.array([[0.0], [1.0], [5.0]]))
    _clustering.draw_tree(ax, tree, side)
    [inset] = ax.child_axes
    lines: Any = inset.collections[0]
    ends = np.concatenate([segment[[0, -1]] for segment in lines.get_segments()])
    # those on the ground are the leaves
    assert sorted(ends[ends[:, 1 - along] == 0, along].tolist()) == [0, 1, 2]

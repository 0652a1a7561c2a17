from __future__ import annotations

import numpy as np

from cellot_sc import ot

SOURCE = np.array([[0.0, 0.0], [2.0, 4.0]])
TARGET = np.array([[1.0, 5.0], [3.0, 9.0], [5.0, 1.0]])


def shift(problem: ot.Problem) -> list[float]:
    [(transport, _)] = ot.fit([problem], "mean_shift")
    assert isinstance(transport, ot.MeanShiftMap)
    return transport.shift.tolist()


def test_it_is_the_difference_of_the_means() -> None:
    assert shift(ot.Problem(SOURCE, TARGET)) == [2.0, 3.0]


def test_cells_count_by_their_weights() -> None:
    weights = {"source_weights": np.array([1, 3]), "target_weights": np.array([2, 2, 0])}
    # the source's mean is three quarters of the way to its second cell, the target's that of its first two
    assert shift(ot.Problem(SOURCE, TARGET, **weights)) == [0.5, 4.0]


def test_the_mean_of_many_cells_far_from_zero_is_exact() -> None:
    x = np.full((200_000, 1), 4097, dtype=np.float32)
    assert shift(ot.Problem(x, x + 1)) == [1.0]

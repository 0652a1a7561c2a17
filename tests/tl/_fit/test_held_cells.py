from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellot_sc.tl._fit.held_cells import holds_cells

CELLS = np.random.default_rng(0).normal(size=(30, 4))
CELLS[5] = 0.0
CELL = CELLS[3].astype(np.float32)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (CELLS, True),
        (CELL, True),
        (CELL.astype(np.float64), True),
        (CELLS[:3].T, True),
        (CELL[:, None], True),
        (np.stack([np.eye(4), np.r_[np.zeros((3, 4)), CELLS[7:8]]]), True),
        (np.r_[1.0, 2.0, 3.0, CELL, 4.0], True),
        (np.c_[np.ones((2, 1)), CELLS[:2]], True),
        ([*CELL.tolist()], True),
        ([{"deep": CELL}], True),
        (CELLS.mean(axis=0), False),
        (CELLS[5], False),
        (CELL[:3], False),
        (CELL * np.float32(1 + 1e-6), False),
        (np.array(["a", "b"], dtype=object), False),
        ("text", False),
        (np.zeros((0, 4)), False),
        (np.arange(3), False),
    ],
)
def test_cells_are_found_wherever_they_stand(value: Any, found: bool):
    assert holds_cells({"a": 1.0, "b": {"0": value}}, CELLS) == (
        None if not found else "b.0.0.deep" if isinstance(value, list) and isinstance(value[0], dict) else "b.0"
    )


def test_the_sign_of_zero_does_not_hide_a_cell():
    cell = np.array([[0.0, 1.5, 2.5]])
    assert holds_cells({"a": np.array([-0.0, 1.5, 2.5])}, cell) == "a"


def test_one_number_is_no_cell():
    assert holds_cells({"a": np.ones(3)}, np.ones((3, 1))) is None
    assert holds_cells({"a": np.ones(3)}, np.zeros((3, 3))) is None

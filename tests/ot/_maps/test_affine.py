from __future__ import annotations

import numpy as np

from cellot_sc.ot import IdentityMap, MeanShiftMap, TransportMap

SHIFT = np.array([1.0, -2.0, 0.5])


def test_identity_and_mean_shift(cells: np.ndarray):
    np.testing.assert_array_equal(IdentityMap(3).transport(cells), cells)
    assert (IdentityMap(3).cost(cells) == 0).all()
    np.testing.assert_array_equal(MeanShiftMap(SHIFT).transport(cells), cells + SHIFT.astype(np.float32))


def test_affine_map_takes_mean_to_mean(maps: dict[str, TransportMap]):
    moved = maps["gaussian"].transport(SHIFT[None])
    np.testing.assert_allclose(moved, -SHIFT[None], atol=1e-6)

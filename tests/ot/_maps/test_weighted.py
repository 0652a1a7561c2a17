from __future__ import annotations

import numpy as np

from cellot_sc.ot import TransportMap, WeightedMap


def test_weights_of_one_change_nothing_but_the_class(maps: dict[str, TransportMap], cells: np.ndarray):
    for inner in (maps["gaussian"], maps["icnn"]):
        weighted = WeightedMap(inner, np.ones(3))
        np.testing.assert_array_equal(weighted.transport(cells), inner.transport(cells))
        np.testing.assert_array_equal(weighted.inverse(cells), inner.inverse(cells))
        np.testing.assert_allclose(weighted.cost(cells), inner.cost(cells), rtol=1e-6)


def test_weighted_map_is_the_inner_one_in_scaled_space(maps: dict[str, TransportMap], cells: np.ndarray):
    weights = np.array([1.0, 4.0, 0.25])
    scale = np.sqrt(weights)
    moved = WeightedMap(maps["gaussian"], weights).transport(cells)
    np.testing.assert_allclose(moved, maps["gaussian"].transport(cells * scale) / scale, rtol=1e-5, atol=1e-6)

from __future__ import annotations

import numpy as np

from cellot_sc.ot import MLPMap
from cellot_sc.ot._maps import invert


def test_the_inverse_solves_for_the_cell_where_the_map_does_not_fold() -> None:
    rng = np.random.default_rng(0)
    # the derivative of h is well below one, so that x + h(x) is one to one
    weights = {
        "Dense_0": {"kernel": 0.4 * rng.normal(size=(3, 8)), "bias": rng.normal(size=8)},
        "Dense_1": {"kernel": 0.2 * rng.normal(size=(8, 3)), "bias": rng.normal(size=3)},
    }
    mapped = MLPMap(weights)
    x = rng.normal(size=(invert.CHUNK + 7, 3)).astype(np.float32)
    np.testing.assert_allclose(mapped.inverse(mapped.transport(x)), x, atol=1e-3)


def test_the_inverse_of_what_cannot_be_reached_is_finite() -> None:
    # T(x) = x + h(x) with h(x) = -x for large x: the map is bounded from above
    weights = {
        "Dense_0": {"kernel": np.array([[1.0]]), "bias": np.zeros(1)},
        "Dense_1": {"kernel": np.array([[-1.0]]), "bias": np.zeros(1)},
    }
    assert np.isfinite(MLPMap(weights).inverse(np.array([[5.0]]))).all()

from __future__ import annotations

import numpy as np

from cellot_sc import ot


def test_cells_stay_whatever_the_target_is() -> None:
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    far, heavy = ot.Problem(x, x + 9), ot.Problem(x, 2 * x, source_weights=np.arange(30))
    for fit in ot.fit([far, heavy], "identity"):
        np.testing.assert_array_equal(fit.map.transport(x), x)
        np.testing.assert_array_equal(fit.map.inverse(x), x)
        np.testing.assert_array_equal(fit.map.cost(x), 0)
        assert fit.history == ot.History()

from __future__ import annotations

import numpy as np
import pytest

from cellot_sc.metrics import _sinkhorn


def test_cells_without_weight_do_not_count() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 20, 3)).astype(np.float32)
    weights = np.full(20, 0.05, np.float32)
    more = np.concatenate([x, np.full((12, 3), 2, np.float32)]), np.pad(weights, (0, 12))
    for of in (_sinkhorn.divergence, _sinkhorn.plan_cost):
        expected = float(of(x, weights, y, weights, 0.5))
        assert expected > 0.05
        assert float(of(*more, y, weights, 0.5)) == pytest.approx(expected, rel=1e-3)

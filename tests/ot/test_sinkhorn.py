from __future__ import annotations

import numpy as np
import pytest

from cellot_sc.ot import _sinkhorn


def cells(n: int, seed: int, at: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(n, 3)) + at).astype(np.float32)


def test_mean_cost_is_over_all_pairs():
    x, y = cells(70, 0), cells(90, 1, at=2)
    weights = np.arange(70.0)
    pair = _sinkhorn.paired(x, y, weights)
    costs = 0.5 * ((x[:, None].astype(float) - y) ** 2).sum(-1)
    assert pair.mean_cost == pytest.approx((weights / weights.sum()) @ costs.mean(1), rel=1e-4)
    assert pair.a.sum() == pytest.approx(1, rel=1e-5)
    assert (pair.b[90:] == 0).all()
    assert _sinkhorn.paired(x[:1], x[:1]).mean_cost == 1


def test_a_sample_leaves_out_what_has_no_weight():
    x, weights = cells(50, 0), np.arange(50) % 2.0
    kept, of_kept = _sinkhorn.sample(x, weights, 100, np.random.default_rng(0))
    np.testing.assert_array_equal(kept, x[1::2])
    assert of_kept is not None
    assert (of_kept == 1).all()
    few, _ = _sinkhorn.sample(x, None, 10, np.random.default_rng(0))
    assert few.shape == (10, 3)

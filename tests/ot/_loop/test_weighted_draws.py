from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cellot_sc.ot._loop.weighted_draws import alias_table


def chances(weights: np.ndarray) -> np.ndarray:
    """Return how often each item is drawn by the table."""
    share, substitute = alias_table(weights)
    out = share.astype(np.float64)
    np.add.at(out, substitute, 1 - share.astype(np.float64))
    return out / len(weights)


@given(st.lists(st.one_of(st.just(0.0), st.floats(1e-3, 1e3)), min_size=1, max_size=60).filter(any))
def test_items_are_drawn_as_often_as_they_weigh(weights: list[float]):
    given = np.array(weights)
    found = chances(given)
    np.testing.assert_allclose(found, given / given.sum(), atol=1e-6)
    # rounding never lets a cell through that has no weight
    assert (found[given == 0] == 0).all()


def test_equal_weights_keep_every_item():
    share, substitute = alias_table(np.full(7, 0.3))
    assert (share == 1).all()
    assert share.dtype == np.float32
    assert substitute.dtype == np.int32
    assert substitute.tolist() == list(range(7))


def test_very_unequal_weights():
    weights = np.random.default_rng(0).lognormal(0, 3, 5000)
    np.testing.assert_allclose(chances(weights), weights / weights.sum(), atol=1e-7)

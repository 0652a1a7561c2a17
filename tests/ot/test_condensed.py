from __future__ import annotations

import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._condensed import condensed

RNG = np.random.default_rng(0)


def cloud(n: int) -> np.ndarray:
    return RNG.normal(size=(n, 3)).astype(np.float32)


def test_means_of_at_least_twenty_cells_weigh_as_much_as_these():
    x, y = cloud(170), cloud(45)
    weights = RNG.uniform(size=170)
    found = condensed(ot.Problem(x, y, x[:10], source_weights=weights))
    assert [len(of) for of in (found.source, found.target, found.source_valid, found.target_valid)] == [8, 2, 1, 0]
    assert found.source_weights is not None and found.target_weights is not None
    assert found.source_weights.sum() == pytest.approx(weights.sum())
    np.testing.assert_array_equal(np.sort(found.target_weights), [22, 23])
    np.testing.assert_allclose(
        np.average(found.target, axis=0, weights=found.target_weights), y.mean(axis=0), atol=1e-6
    )
    np.testing.assert_allclose(found.source_valid[0], x[:10].mean(axis=0), atol=1e-6)


def test_a_cell_that_weighs_most_is_not_the_mean_of_its_neighbours_and_one_of_no_weight_is_no_part_of_it():
    x = cloud(40)
    weights = np.r_[1e6, np.ones(19), np.zeros(20)]
    found = condensed(ot.Problem(x, x, source_weights=weights))
    np.testing.assert_allclose(found.source, x[None, :20].mean(axis=1), atol=1e-6)


def test_contexts_stay_apart_and_small_ones_are_pooled():
    x = cloud(100)
    contexts = np.repeat([[0, 0], [0, 1], [1, 2], [1, 3]], [50, 26, 12, 12], axis=0)
    found = condensed(ot.Problem(x, x[:60], source_contexts=contexts, target_contexts=contexts[:60]))
    assert found.source_contexts is not None and found.target_contexts is not None
    assert found.source_contexts.tolist() == [[-1, -1], [0, 0], [0, 0], [0, 1]]
    np.testing.assert_allclose(found.source[0], x[76:].mean(axis=0), atol=1e-6)
    # ten cells that are left over are nobody's neighbours
    assert found.target_contexts.tolist() == [[0, 0], [0, 0]]
    assert found.context_names == (("0", "1"), ("0", "1", "2", "3"))

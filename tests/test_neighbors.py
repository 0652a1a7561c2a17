from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

from cellot_sc import _neighbors


@pytest.mark.parametrize("n_points", [100, _neighbors.MAX_POINTS + 1])
def test_neighbours_are_the_nearest(n_points: int) -> None:
    x = np.random.default_rng(0).normal(size=(n_points, 2)).astype(np.float32)
    points = AnnData(x)
    _neighbors.find(points, n_neighbors=6, seed=0)
    away = np.linalg.norm(x - x[0], axis=1)
    assert set(points.obsp["distances"][[0]].nonzero()[1]) == set(np.argsort(away)[1:6])


def test_umap_keeps_groups_apart_and_has_a_seed() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    x[:30] += 50
    xy = _neighbors.umap(x, seed=1)
    assert xy.shape == (60, 2)
    assert np.linalg.norm(xy[:30].mean(axis=0) - xy[30:].mean(axis=0)) > xy[:30].std()
    np.testing.assert_array_equal(_neighbors.umap(x, seed=1), xy)

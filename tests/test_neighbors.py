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

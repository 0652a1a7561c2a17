from __future__ import annotations

import pickle

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.tl._fit.alone import alone


@pytest.mark.parametrize("name", ["X_cellot", "X"])
def test_points_are_decoded_without_the_cells(prepared: AnnData, name: str) -> None:
    space = cs.pp.Space(prepared, name)
    bare = pickle.loads(pickle.dumps(alone(space)))
    points = space.read()
    assert bare.adata.n_obs == 0
    np.testing.assert_array_equal(bare.view_measured(points), space.view_measured(points))
    assert bare.features == space.features

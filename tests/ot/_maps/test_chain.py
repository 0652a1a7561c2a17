from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData, read_h5ad

from cellot_sc.ot import AffineMap, ChainMap, IdentityMap, MeanShiftMap, TransportMap, WeightedMap

STRETCH = AffineMap(np.diag([2.0, 3.0]), np.zeros(2), np.ones(2))
SHIFT = MeanShiftMap(np.array([1.0, -1.0]))
CELLS = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)


def test_steps_are_taken_in_turn() -> None:
    chain = ChainMap([SHIFT, STRETCH])
    np.testing.assert_array_equal(chain.transport(CELLS), STRETCH.transport(SHIFT.transport(CELLS)))
    assert chain.n_dims == 2
    np.testing.assert_allclose(chain.inverse(chain.transport(CELLS)), CELLS, atol=1e-5)
    moved = 0.5 * ((chain.transport(CELLS) - CELLS) ** 2).sum(1)
    np.testing.assert_allclose(chain.cost(CELLS), moved)


def test_says_what_it_is() -> None:
    assert repr(ChainMap([SHIFT, STRETCH])) == "ChainMap in 2 dimensions of 2 steps"
    assert repr(WeightedMap(SHIFT, np.ones(2))) == "WeightedMap in 2 dimensions by MeanShiftMap"
    assert repr(IdentityMap(1)) == "IdentityMap in 1 dimension"


def test_one_step_is_that_step() -> None:
    np.testing.assert_array_equal(ChainMap([STRETCH]).transport(CELLS), STRETCH.transport(CELLS))


def test_is_kept_on_disk(tmp_path: Path) -> None:
    # more than ten steps, of which the names do not sort by number
    chain = ChainMap([SHIFT, STRETCH] * 6)
    adata = AnnData(CELLS, uns={"map": chain.state()})
    adata.write_h5ad(tmp_path / "map.h5ad")
    again = TransportMap.from_state(read_h5ad(tmp_path / "map.h5ad").uns["map"])
    np.testing.assert_array_equal(again.transport(CELLS), chain.transport(CELLS))


@pytest.mark.parametrize("steps", [[], [SHIFT, IdentityMap(3)]])
def test_errors(steps: list[TransportMap]) -> None:
    with pytest.raises(ValueError, match="at least one step is needed, and all of the same number"):
        ChainMap(steps)

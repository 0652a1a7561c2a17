from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from cellot_sc import ot
from cellot_sc._chunks import Stored
from cellot_sc.ot._loop.pool_size import SHARE
from cellot_sc.ot._loop.pools import Pools, gathered
from cellot_sc.ot._solvers.icnn import ICNNConfig

N_CELLS, N_DIMS = 1500, 6


class Disk:
    """A matrix that counts what is read of it at once, as if it were on disk."""

    def __init__(self, cells: np.ndarray, pool: int) -> None:
        self.cells, self.shape, self.dtype, self.chunks = cells, cells.shape, cells.dtype, (64, cells.shape[1])
        self.budget, self.most = pool * 4 * SHARE * cells.shape[1], 0

    def __getitem__(self, rows: Any) -> np.ndarray:
        found = self.cells[rows]
        self.most = max(self.most, len(found))
        return found

    def drawn(self, rows: np.ndarray, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        places = rng.integers(len(rows), size=size)
        self.most = max(self.most, size)
        return places, self.cells[rows[places]]


def clouds(seed: int, n_cells: int = N_CELLS) -> dict[str, np.ndarray]:
    """Two kinds of cells of which one responds, so that no affine map explains it."""
    rng = np.random.default_rng(seed)
    found = {}
    for name in ("source", "target", "source_valid", "target_valid", "source_test", "target_test"):
        kind = rng.random(n_cells) < 0.5
        cells = rng.normal(size=(n_cells, N_DIMS))
        cells[:, 0] += 5 * kind
        if name.startswith("target"):
            cells[:, 1:3] += 3 * kind[:, None]
        found[name] = cells.astype(np.float32)
    return found


def stored(given: dict[str, np.ndarray], pool: int) -> dict[str, Any]:
    """The same clouds on disk, one after another."""
    disk = Disk(np.concatenate([*given.values()]), pool)
    ends = np.cumsum([0, *map(len, given.values())])
    return {name: Stored(disk, np.arange(*ends[i : i + 2]), "X") for i, name in enumerate(given)}


def train(given: dict[str, Any]) -> dict[str, Any]:
    return {name: cells for name, cells in given.items() if not name.endswith("test")}


def energy(x: np.ndarray, y: np.ndarray) -> float:
    return float(2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean())


def test_pools_teach_what_all_cells_do() -> None:
    """By pools of half of the cells, as much of the effect is left as by all, to a hundredth of it."""
    options: dict[str, Any] = {"n_steps": 300, "min_steps": 100, "check_every": 50, "penalties": (3.0,)}
    left = []
    for seed in range(3):
        given = clouds(seed)
        inside, outside = train(given), train(stored(given, N_CELLS // 2))
        maps = [ot.fit([ot.Problem(**of)], "icnn", **options)[0].map for of in (inside, outside)]
        assert [type(fitted).__name__ for fitted in maps] == ["PotentialMap"] * 2
        before = energy(given["source_test"], given["target_test"])
        left.append([energy(fitted.transport(given["source_test"]), given["target_test"]) / before for fitted in maps])
    memory, pools = np.mean(left, axis=0)
    assert memory < 0.03
    assert pools == pytest.approx(memory, abs=0.01)


@pytest.mark.parametrize("solver", ["mean_shift", "gaussian"])
def test_maps_in_closed_form_are_those_of_cells_in_memory(solver: str) -> None:
    given = clouds(0)
    weights = {"source_weights": np.random.default_rng(1).random(N_CELLS)}
    for more in ({}, weights):
        inside, outside = (
            ot.fit([ot.Problem(**train(of), **more)], solver)[0].map.transport(given["source_test"])
            for of in (given, stored(given, 100))
        )
        np.testing.assert_allclose(outside, inside, atol=1e-4)


def test_the_same_pools_alone_and_beside_others_in_any_order() -> None:
    many = [stored(clouds(seed), 100) for seed in range(2)]
    problems = [ot.Problem(**train({**of, "source": many[0]["source"]})) for of in many]
    options: dict[str, Any] = {"n_steps": 20, "min_steps": 10, "check_every": 10, "penalties": (1.0,), "width": 8}
    first, again, turned = (ot.fit(of, "icnn", **options) for of in (problems, problems, problems[::-1]))
    [alone] = ot.fit(problems[1:], "icnn", **options)
    x = clouds(0)["source_test"]
    moved = [fit.map.transport(x) for fit in (first[1], again[1], turned[0], alone)]
    assert all((one == moved[0]).all() for one in moved)


def test_every_stretch_has_others_of_the_same_shape() -> None:
    given = stored(clouds(0), 100)
    zero = np.zeros(N_DIMS)
    weights = np.arange(N_CELLS)
    problems = [ot.Problem(**train(given), target_weights=weights)]
    pools = gathered(problems, [(zero, zero)], 0, ICNNConfig(n_steps=200, check_every=100))
    assert isinstance(pools, Pools)
    first, second, again = pools.at(0), pools.at(100), pools.at(0)
    assert first.cells.shape == second.cells.shape
    assert (np.asarray(first.cells) == again.cells).all()
    assert not (np.asarray(first.cells) == second.cells).all()
    assert [int(of[0]) for of in first.ranges[:4]] == [0, 100, 100, 100]
    # of each cell its own weight
    target = given["target"].toarray()
    drawn = np.array([np.flatnonzero((target == cell).all(axis=1))[0] for cell in np.asarray(first.cells[100:200])])
    assert first.alias is not None
    share, substitute = map(np.asarray, first.alias)
    chance = np.bincount(np.arange(256), share, 256) + np.bincount(substitute, 1 - share, 256)
    np.testing.assert_allclose(chance[100:200], 100 * drawn / drawn.sum(), rtol=1e-4)
    # validation cells are no more than are looked at
    assert pools.ranges.source_valid.shape[1] <= 1024


def test_cells_in_memory_and_small_clouds_are_taken_as_they_are() -> None:
    given = clouds(0)
    zero = np.zeros(N_DIMS)
    config = ICNNConfig(n_steps=200, check_every=100)
    inside = gathered([ot.Problem(**train(given))], [(zero, zero)], 0, config)
    outside = gathered([ot.Problem(**train(stored(given, N_CELLS)))], [(zero, zero)], 0, config)
    assert not isinstance(inside, Pools)
    assert isinstance(outside, Pools)
    assert (np.asarray(outside.at(100).cells) == inside.cells).all()


def test_what_cannot_stream_says_what_it_needs() -> None:
    problem = ot.Problem(**train(stored(clouds(0), 100)))
    with pytest.raises(ValueError, match=r"'entropic' needs its 3,000 cells of 6 dimensions in memory.*'icnn'"):
        ot.fit([problem], "entropic")

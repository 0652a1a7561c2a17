from __future__ import annotations

import pickle
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from anndata.io import sparse_dataset, write_elem
from scipy import sparse

from cellot_sc import _chunks, ot
from cellot_sc._chunks import Stored, taken
from cellot_sc.tl._fit.collected import Collected, collect

N_CELLS, N_DIMS = 3000, 8


@pytest.fixture(scope="module", params=["dense", "sparse"])
def sorted_cells(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """Cells on disk of which the first dimension is their number, sorted in some parts, and the cloud of each."""
    rng = np.random.default_rng(0)
    x = rng.poisson(1.0, size=(N_CELLS, N_DIMS)).astype(np.float32)
    x[:, 0] = np.arange(N_CELLS) + 1
    codes = rng.integers(0, 3, N_CELLS)
    group = zarr.open_group(tmp_path_factory.mktemp("store") / "x.zarr", mode="w")
    write_elem(group, "X", x if request.param == "dense" else sparse.csr_matrix(x))
    source = group["X"] if request.param == "dense" else sparse_dataset(group["X"])
    rows = np.flatnonzero(codes < 2)
    stored = Stored(source, rows, "X")
    return x[rows], codes[rows], collect(stored, codes[rows], 4 * 8 * N_DIMS * 640, 0)


def test_every_cell_is_there_once_and_sorted_within_parts(sorted_cells: tuple[Any, ...]) -> None:
    x, codes, collected = sorted_cells
    assert collected.shape == x.shape
    assert sorted(collected.places) == list(range(len(x)))
    assert (collected.codes == codes[collected.places]).all()
    assert (collected[:] == x[collected.places]).all()
    # four parts, of two runs each, in which cells are of many places
    assert (np.diff(collected.codes) != 0).sum() == 7
    assert abs(np.corrcoef(np.arange(200), collected.places[:200])[0, 1]) < 0.3


def test_clouds_are_read_by_position(sorted_cells: tuple[Any, ...]) -> None:
    x, _, collected = sorted_cells
    rows = np.flatnonzero(collected.codes == 1)
    wanted = [5, 2, 900, 2]
    assert (taken(Stored(collected, rows, "X"), wanted) == x[collected.places[rows[wanted]]]).all()


def test_pools_are_of_one_cloud_and_the_same_in_another_process(sorted_cells: tuple[Any, ...]) -> None:
    x, codes, collected = sorted_cells
    rows = np.flatnonzero(collected.codes == 1)
    places, cells = collected.drawn(rows, 300, np.random.default_rng(1))
    assert (cells == x[collected.places[rows[places]]]).all()
    assert (codes[collected.places[rows[places]]] == 1).all()
    assert len(np.unique(places)) > 200
    other: Collected = pickle.loads(pickle.dumps(collected))
    assert (other.drawn(rows, 300, np.random.default_rng(1))[1] == cells).all()
    assert not (other.drawn(rows, 300, np.random.default_rng(2))[1] == cells).all()


def test_memory_is_that_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of 32 MB are sorted, and a map is fitted to them, in less than a quarter of that."""
    monkeypatch.setattr(_chunks, "MAX_VALUES", 2**16)
    n_cells, n_dims = 40_000, 200
    x = zarr.create_array({}, shape=(n_cells, n_dims), chunks=(1000, n_dims), dtype=np.float32)
    for start in range(0, n_cells, 1000):
        x[start : start + 1000] = np.random.default_rng(start).normal(start >= n_cells // 2, size=(1000, n_dims))
    codes = (np.arange(n_cells) >= n_cells // 2).astype(int)
    tracemalloc.start()
    try:
        collected = collect(Stored(x, np.arange(n_cells), "X"), codes, 2**22, 0)
        clouds: Any = [Stored(collected, np.flatnonzero(collected.codes == code), "X") for code in range(2)]
        [fit] = ot.fit([ot.Problem(*clouds)], "gaussian")
        collected.drawn(clouds[0].rows, 1000, np.random.default_rng(0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(fit.map.transport(np.zeros((1, n_dims))), 1, atol=0.1)
    assert peak < 4 * n_cells * n_dims / 4


def test_the_copy_goes_with_what_needs_it() -> None:
    x = np.ones((200, 2), dtype=np.float32)
    collected = collect(Stored(zarr.array(x), np.arange(200), "X"), np.arange(200) % 2, 2**20, 0)
    folder: Path = collected.folder
    assert folder.exists()
    del collected
    assert not folder.exists()


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "annbatch", None)
    with pytest.raises(ImportError, match=r"cells_in_memory needs annbatch.*pip install 'cellot-sc\[scale\]'"):
        collect(Stored(zarr.array(np.ones((2, 2))), np.arange(2), "X"), np.zeros(2, dtype=int), 2**20, 0)


def test_a_disk_that_is_full_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zarr, "create_array", full)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(OSError, match=r"2 cells cannot be sorted by condition in .*No space left.*TMPDIR"):
        collect(Stored(zarr.array(np.ones((2, 2))), np.arange(2), "X"), np.zeros(2, dtype=int), 2**20, 0)
    assert not [*tmp_path.iterdir()]

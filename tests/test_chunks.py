from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from anndata import AnnData
from scipy import sparse

from cellot_sc import _chunks
from cellot_sc._arrays import dense
from cellot_sc._chunks import Stored, chunks, pools, stored

type Put = Callable[[AnnData], AnnData]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_chunks, "MAX_VALUES", 60 * 50)


@pytest.fixture
def x(simulated: AnnData) -> np.ndarray:
    return simulated.X.toarray()


def test_rows_of_every_kind_of_store(simulated: AnnData, x: np.ndarray, store: Put) -> None:
    found = stored(store(simulated).X, what="adata.X")
    assert found.shape == x.shape
    parts = list(chunks(found))
    assert len(parts) > 3
    assert all(part.shape[0] <= 50 for _, part in parts)
    for rows, part in parts:
        np.testing.assert_array_equal(dense(part), x[rows])
    assert [rows.start for rows, _ in parts[1:]] == [rows.stop for rows, _ in parts[:-1]]


@pytest.mark.parametrize(
    "rows", [slice(3, 500), np.arange(0, 600, 90), np.array([7]), np.arange(600) % 3 > 0, slice(0)]
)
def test_some_rows(simulated: AnnData, x: np.ndarray, store: Put, rows: Any) -> None:
    found = stored(store(simulated).X, what="adata.X")[rows]
    assert found.shape == x[rows].shape
    np.testing.assert_array_equal(dense(found), x[rows])


class Counted:
    """A data set that counts what is read of it."""

    def __init__(self, x: np.ndarray, chunk: int | tuple[int, ...]) -> None:
        self.x, self.shape, self.dtype = x, x.shape, x.dtype
        self.chunks, self.read = (chunk, x.shape[1]), 0

    def __getitem__(self, rows: Any) -> np.ndarray:
        self.read += len(found := self.x[rows])
        return found


@pytest.mark.parametrize("chunk", [1, 33, 64, (600,), (100, 20, 400, 80)])
def test_no_row_is_read_twice(x: np.ndarray, chunk: int | tuple[int, ...]) -> None:
    source = Counted(x, chunk)
    found = stored(source, what="x")
    np.testing.assert_array_equal(np.concatenate([part for _, part in chunks(found)]), x)
    assert source.read == 600
    dense(found[::100])
    assert source.read < 1200


def test_small_stores_are_read_at_once(simulated: AnnData, store: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_chunks, "MAX_VALUES", 600 * 60)
    found = stored(store(simulated).X, what="adata.X")
    assert isinstance(found, np.ndarray | sparse.csr_matrix)
    np.testing.assert_array_equal(dense(found), simulated.X.toarray())


def test_what_is_in_memory_is_taken_as_it_is(x: np.ndarray) -> None:
    assert stored(x, what="x") is x
    sizes = [part.shape[0] for _, part in chunks(sparse.csr_matrix(x), 250)]
    assert sizes == [250, 250, 100]
    assert list(pools(x, np.random.default_rng(0), 10)) == [x]


def test_stores_of_which_no_few_cells_can_be_read(x: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_chunks, "MAX_TOGETHER", 60 * 599)
    with pytest.raises(
        ValueError, match="adata.X can be read only 36,000 values at a time.*as CSR and not CSC, in chunks"
    ):
        stored(Counted(x, 600), what="adata.X")
    assert stored(Counted(x, 599), what="adata.X").shape == (600, 60)


def test_csc_of_a_file_is_read_whole_or_refused(monkeypatch: pytest.MonkeyPatch, x: np.ndarray) -> None:
    import anndata as ad

    group: Any = zarr.open_group(zarr.storage.MemoryStore())
    ad.io.write_elem(group, "X", sparse.csc_matrix(x))
    found = ad.io.sparse_dataset(group["X"])
    assert sparse.issparse(stored(found, what="adata.X"))
    monkeypatch.setattr(_chunks, "MAX_TOGETHER", 100)
    with pytest.raises(ValueError, match="values at a time"):
        stored(found, what="adata.X")


@pytest.mark.parametrize(
    ("made", "match"),
    [
        (lambda group: group.create_array("x", data=np.ones(3)), r"shape \(3,\)"),
        (lambda group: group.create_array("x", data=np.ones((3, 2), dtype=complex)), "made of complex128"),
    ],
)
def test_what_is_no_matrix_of_numbers(made: Callable[[Any], Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        stored(made(zarr.open_group(zarr.storage.MemoryStore())), what="x")


def test_unknown_shape() -> None:
    da = pytest.importorskip("dask.array", reason="dask is not installed")
    x = da.from_array(np.ones((5, 2)))
    with pytest.raises(ValueError, match="known before it is read"):
        stored(x[x[:, 0] > 0], what="x")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_are_checked_when_they_are_read(x: np.ndarray, bad: float) -> None:
    with h5py.File.in_memory() as file:
        x[555, 3] = bad
        found = stored(file.create_dataset("x", data=x), what="adata.X")
        assert dense(found[:500]).shape == (500, 60)
        with pytest.raises(ValueError, match="adata.X holds NaN, inf or numbers beyond 3.4e38 in 1 of 50 cells"):
            list(chunks(found))


def test_pools_mix_cells_of_many_places(x: np.ndarray) -> None:
    found = Stored(Counted(x, 1), np.arange(0, 600, 2), "x")
    one, *others = pools(found, np.random.default_rng(0), 75, n_runs=5)
    assert len(others) == 3
    everything = np.concatenate([one, *others])
    assert sorted(map(tuple, everything)) == sorted(map(tuple, x[::2]))
    assert not np.array_equal(everything, x[::2])
    # 15 cells are beside each other
    where = [int(np.flatnonzero((x[::2] == cell).all(axis=1))[0]) for cell in one]
    assert max(where) - min(where) > 100
    (whole,) = pools(found, np.random.default_rng(0), 300)
    np.testing.assert_array_equal(whole, x[::2])

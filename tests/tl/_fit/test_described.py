from __future__ import annotations

import os
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import anndata as ad
import joblib
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _chunks
from cellot_sc._chunks import Stored
from cellot_sc.tl._fit import described
from cellot_sc.tl._fit.cellot import planned
from cellot_sc.tl._fit.fitting import fit_blocks

N_TARGETS = 18
"""In three blocks."""
HEIGHT = 10
"""Cells of a chunk: three of each label of :func:`cells`."""


def cells() -> AnnData:
    """Cells of controls and targets, 30 of each beside each other: in chunks, train and validation ones."""
    numbers = np.repeat(np.arange(-3, N_TARGETS), 30)
    x = np.random.default_rng(0).normal(size=(len(numbers), 3)).astype(np.float32)
    x[:, 1] += np.maximum(numbers, 0) / 10
    labels = np.where(numbers < 0, "control", [f"drug_{i:02}" for i in numbers])
    split = np.tile(np.repeat(["train", "valid"], [20, 10]), N_TARGETS + 3)
    return ad.AnnData(x, pd.DataFrame({"perturbation": labels, "split": split}, index=[f"c{i}" for i in range(len(x))]))


def moved(adata: AnnData) -> np.ndarray:
    x = np.asarray(adata.X)[:50]
    return np.stack([fitted.transport(x) for fitted in cs.tl.maps(adata).values()])


def counted(folder: Path, x: np.ndarray) -> Any:
    """Return rows that are read of a file; who reads which is in another one."""

    # within a function, so that it is sent as it is
    class Counted:
        shape, dtype, ndim = x.shape, x.dtype, 2

        def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
            with (folder / f"{os.getpid()}.log").open("a") as file:
                file.writelines(f"{row}\n" for row in range(self.shape[0])[key[0]])
            return np.array(np.load(folder / "x.npy", mmap_mode="r")[key])

    np.save(folder / "x.npy", x)
    return Counted()


def reads(folder: Path) -> dict[int, Counter[int]]:
    """Return how often each process has read each row since this was asked last."""
    found = {}
    for log in folder.glob("*.log"):
        found[int(log.stem)] = Counter(map(int, log.read_text().split()))
        log.unlink()
    return found


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnnData:
    """Cells whose representation is not in memory, and what of it is read."""
    array = pytest.importorskip("dask.array", reason="dask is not installed")
    # no test has as many values as are read at once
    monkeypatch.setattr(_chunks, "MAX_VALUES", 60)
    adata = cells()
    source = counted(tmp_path, np.asarray(adata.X))
    adata.obsm["X_there"] = array.from_array(source, chunks=(HEIGHT, 3), meta=np.empty((0, 0), np.float32))
    return adata


def in_memory(**options: Any) -> AnnData:
    adata = cells()
    adata.obsm["X_there"] = np.asarray(adata.X)
    cs.tl.cellot(adata, use_rep="X_there", **options)
    return adata


@pytest.mark.parametrize("engine", [None, "threading", "loky"])
@pytest.mark.parametrize("options", [{"solver": "gaussian"}, {"solver": "mean_shift", "feature_weights": [1, 2, 3]}])
def test_maps_are_those_of_cells_in_memory(stored: AnnData, options: dict[str, Any], engine: str | None) -> None:
    with joblib.parallel_config(engine or "threading", n_jobs=1 if engine is None else 2):
        cs.tl.cellot(stored, use_rep="X_there", **options)
    np.testing.assert_array_equal(moved(stored), moved(in_memory(**options)))


def fitted_blocks(adata: AnnData, folder: Path) -> None:
    """Fit the second and the third block, whose targets are 6 to 11 and 12 to 17."""
    given: dict[str, Any] = {"key_added": "cellot", "use_rep": "X_there", "solver": "mean_shift", "options": {}}
    fit, solver, prepared, config = planned(adata, "perturbation", "control", **given)
    reads(folder)
    problems, solutions = fit_blocks(fit, solver, prepared, config, only=[1, 2])
    assert len(solutions) == 12 and len(problems) == N_TARGETS


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_blocks_read_their_rows_and_no_others(stored: AnnData, tmp_path: Path, n_jobs: int) -> None:
    with joblib.parallel_config("threading", n_jobs=n_jobs):
        fitted_blocks(stored, tmp_path)
    [found] = reads(tmp_path).values()
    # control cells once for each block, targets once
    assert found == dict.fromkeys(range(90), 2) | dict.fromkeys(range(270, 630), 1)


def test_processes_read_in_place_of_who_asks(stored: AnnData, tmp_path: Path) -> None:
    with joblib.parallel_config("loky", n_jobs=2):
        fitted_blocks(stored, tmp_path)
    found = reads(tmp_path)
    assert os.getpid() not in found
    assert {*range(90), *range(270, 630)} <= {row for of in found.values() for row in of}


def test_sent_is_where_rows_are_in_an_hdf5_file(tmp_path: Path) -> None:
    import h5py
    from anndata.io import sparse_dataset, write_elem
    from scipy import sparse

    x = np.arange(30.0, dtype=np.float32).reshape(10, 3)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["dense"] = x
        write_elem(file, "sparse", sparse.csr_matrix(x))
    fit = planned(cells(), "perturbation", "control", options={}, key_added="a", use_rep="X", solver="mean_shift")[0]
    with h5py.File(tmp_path / "x.h5") as file:
        for source in (file["dense"], sparse_dataset(file["sparse"])):
            of = Stored(source, np.arange(10), "x")
            assert described.describes(fit, of)
            cloud, rows = described.described(of)(np.arange(10) % 3 == 1)
            assert rows.tolist() == [1, 4, 7]
            sent = pickle.dumps(cloud)
            assert len(sent) < 1000
            np.testing.assert_array_equal(pickle.loads(sent).toarray(), x[1::3])
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        # nobody else can open it
        assert not described.describes(fit, Stored(file["dense"], np.arange(10), "x"))


def test_blocks_of_other_weights_are_refused(stored: AnnData, tmp_path: Path) -> None:
    options: dict[str, Any] = {"use_rep": "X_there", "solver": "gaussian", "checkpoint_dir": tmp_path / "fits"}
    cs.tl.cellot(stored, **options)
    first = moved(stored)
    cs.tl.cellot(stored, resume=True, **options)
    np.testing.assert_array_equal(moved(stored), first)
    for change in ({"match_abundance": False}, {"feature_weights": [1, 2, 3]}):
        with pytest.raises(ValueError, match="other cells"):
            cs.tl.cellot(stored, resume=True, **options | change)

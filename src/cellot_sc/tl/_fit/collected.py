"""Cells that a fit does not take into memory: sorted by their condition into an annbatch collection, and read of it."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from anndata.io import sparse_dataset
from scipy import sparse

from ... import _validate
from ..._arrays import dense
from ..._chunks import Stored

CHUNK = 64
"""Cells that are read together, as annbatch writes them. Those of a condition are beside each other, and shuffled."""
WINDOW = 64
"""Chunks that are read at once."""
PARTS = 8
"""Of the cells that may be in memory, one part of so many is sorted at once, which takes some copies of it."""
CLOUD, PLACE = "cloud", "place"
"""Columns of what is known of each cell: its condition and part, and where it was."""


class Collected:
    """Cells of an annbatch collection as one stored matrix, of which clouds are rows: see :class:`.Stored`.

    Parameters
    ----------
    folder
        Where it is.
    budget
        Bytes of cells that may be in memory.

    Raises
    ------
    ImportError
        If annbatch is missing.
    """

    def __init__(self, folder: Path, budget: int) -> None:
        self.folder, self.budget = folder, budget
        self._annbatch = annbatch()
        collection = self._annbatch.DatasetCollection(str(folder), mode="r")
        obs = collection.obs(columns=[CLOUD, PLACE])
        self.codes, self.places = obs[CLOUD].to_numpy(), obs[PLACE].to_numpy()
        groups = [group["X"] for group in collection]
        self._datasets = [sparse_dataset(of) if hasattr(of, "keys") else of for of in groups]
        self.shape = (len(self.codes), int(self._datasets[0].shape[1]))
        self.dtype = np.dtype(self._datasets[0].dtype)
        self.chunks = (CHUNK, self.shape[1])

    def __reduce__(self) -> tuple[Any, ...]:
        # workers open it themselves
        return type(self), (self.folder, self.budget)

    def __getitem__(self, rows: Any) -> Any:
        """Return rows at increasing positions, or of a slice; of a tuple, what is said of columns is all of them."""
        rows = rows[0] if isinstance(rows, tuple) else rows
        positions = np.arange(self.shape[0])[rows]
        sampler = _as_given(positions)
        if not len(positions):
            kind = sparse.csr_matrix if not hasattr(self._datasets[0], "chunks") else np.zeros
            return kind((0, self.shape[1]), dtype=self.dtype)
        [batch] = self._annbatch.Loader(batch_sampler=sampler, preload_to_gpu=False).add_datasets(self._datasets)
        return batch["X"]

    def drawn(self, rows: np.ndarray, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return some cells of a cloud at random, and where they are in it.

        Parameters
        ----------
        rows
            Positions of all cells of the cloud.
        size
            How many are wanted.
        rng
            What chance is drawn from.
        """
        code = self.codes[rows[0]]
        names = np.unique(self.codes)
        runs = np.diff(np.flatnonzero(np.diff(self.codes == code, prepend=False, append=False)))[::2]
        chunk = min(CHUNK, int(runs.min()))
        window = chunk * max(1, CHUNK * WINDOW // chunk)
        sampler = self._annbatch.samplers.ClassSampler(
            chunk, window // chunk, window, classes=pd.Categorical(self.codes, categories=names), num_samples=size,
            class_weights=(names == code).astype(float), rng=rng,
        )  # fmt: skip
        # of numpy and not of jax: the loop takes the cells of all problems as one matrix, which is sent to its device
        loader = self._annbatch.Loader(batch_sampler=sampler, return_index=True, preload_to_gpu=False)
        cells, places = np.empty((size, self.shape[1]), dtype=np.float32), np.empty(size, dtype=np.int64)
        filled = 0
        for batch in loader.add_datasets(self._datasets):
            at = slice(filled, filled + len(batch["index"]))
            cells[at], places[at] = dense(batch["X"]), batch["index"]
            filled = at.stop
        return np.searchsorted(rows, places), cells


def annbatch() -> Any:
    """Return the package that streams; raise :class:`ImportError` with what to install if it is missing."""
    return _validate.installed("annbatch", extra="scale", what="a fit to more cells than cs.settings.cells_in_memory")


def collect(x: Stored, codes: np.ndarray, budget: int, seed: int) -> Collected:
    """Return cells sorted by condition, in a temporary folder that goes when nobody needs it any more.

    It is of the folder that Python takes for such (``TMPDIR``), and as large as the cells are.

    Parameters
    ----------
    x
        The cells.
    codes
        What cloud each is of.
    budget
        Bytes of cells that may be in memory.
    seed
        Seed of the order of the cells of a cloud.

    Raises
    ------
    ImportError
        If annbatch is missing.
    ValueError
        If they are no finite numbers.
    OSError
        If there is no room for them.
    """
    package = annbatch()
    root = Path(tempfile.mkdtemp(prefix="cellot_sc-"))
    try:
        folder = root / "cells.zarr"
        size = max(CHUNK, budget // (4 * PARTS * x.shape[1]))
        # it draws bars of progress of its own
        with contextlib.redirect_stderr(io.StringIO()):
            package.DatasetCollection(str(folder)).add_adatas(
                ["cells"],
                load_adata=lambda _: _lazy(x, codes, min(1000, size)),
                groupby=CLOUD,
                n_obs_per_chunk=CHUNK,
                dataset_size=size,
                shuffle_chunk_size=min(1000, size),
                rng=np.random.default_rng(seed),
            )
        collected = Collected(folder, budget)
    except OSError as error:
        shutil.rmtree(root, ignore_errors=True)
        raise OSError(
            f"{x.shape[0]:,} cells cannot be sorted by condition in {str(root.parent)!r} ({error.strerror or error}): "
            "make room there, or set TMPDIR to another folder."
        ) from error
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise
    weakref.finalize(collected, shutil.rmtree, root, ignore_errors=True)
    return collected


def _lazy(x: Stored, codes: np.ndarray, n_rows: int) -> AnnData:
    """Return cells that are read some at a time, with what is known of them."""
    array = _validate.installed("dask.array", extra="scale", what="to sort cells by condition")
    few = x[:1].to_memory()
    kind = sparse.csr_matrix if sparse.issparse(few) else np.ndarray
    meta = kind((0, 0), dtype=few.dtype)
    cells = array.from_array(_Rows(x, few.dtype), chunks=(n_rows, x.shape[1]), asarray=False, meta=meta)
    obs = pd.DataFrame({CLOUD: codes, PLACE: np.arange(x.shape[0])}, index=np.arange(x.shape[0]).astype(str))
    return AnnData(cells, obs=obs)


class _Rows:
    """Rows of a stored matrix as dask asks for them."""

    def __init__(self, x: Stored, dtype: np.dtype) -> None:
        self._x, self.shape, self.dtype, self.ndim = x, x.shape, dtype, 2

    def __getitem__(self, at: tuple[slice, slice]) -> Any:
        return self._x[at[0]].to_memory()


def _as_given(positions: np.ndarray) -> Any:
    """Return a sampler of annbatch of all those rows, in one batch."""
    from annbatch.abc import Sampler

    class AsGiven(Sampler):
        batch_size, shuffle = len(positions), False

        def n_batches(self, n_obs: int) -> int:
            return 1

        def validate(self, n_obs: int) -> None:
            pass

        def _sample(self, n_obs: int) -> Any:
            yield {"requests": positions, "splits": [np.arange(len(positions))]}

    return AsGiven()

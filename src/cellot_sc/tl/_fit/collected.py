"""Cells that a fit does not take into memory: sorted by their condition on disk, from where annbatch draws them."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr
from zarr.codecs import BloscCodec

from ... import _validate
from ..._arrays import dense
from ..._chunks import Stored, chunks

CHUNK = 64
"""Cells that are read together: those of a condition are beside each other, and shuffled, so that these are random."""
WINDOW = 64
"""Chunks that are drawn at once."""
PARTS = 8
"""Of the cells that may be in memory, one part of so many is sorted at once, which takes some copies of it."""
RUNS, MOST_RUN = 32, 1000
"""Runs of neighbouring cells that a part is made of, at least, and cells that a run has, at most."""
CELLS, CODES, PLACES = "cells.zarr", "codes.npy", "places.npy"
"""The cells, what cloud each is of, and where it was."""


class Collected:
    """Sorted cells as one stored matrix, of which clouds are rows: see :class:`.Stored`.

    Parameters
    ----------
    folder
        Where they are.
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
        self._cells = zarr.open_array(folder / CELLS, mode="r")
        self.codes, self.places = np.load(folder / CODES), np.load(folder / PLACES)
        self.shape, self.dtype, self.chunks = self._cells.shape, self._cells.dtype, self._cells.chunks

    def __reduce__(self) -> tuple[Any, ...]:
        # workers open it themselves
        return type(self), (self.folder, self.budget)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Return the rows of a slice, or with a tuple those at some positions and all their columns."""
        return np.asarray(self._cells.oindex[rows] if isinstance(rows, tuple) else self._cells[rows])

    def drawn(self, rows: np.ndarray, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return where in a cloud cells are that are drawn at random, and these.

        Parameters
        ----------
        rows
            Positions of all cells of the cloud.
        size
            How many are wanted.
        rng
            What chance is drawn from.
        """
        names, code = np.unique(self.codes), self.codes[rows[0]]
        # of every part, the cells of a cloud are one run
        ends = np.flatnonzero(np.diff(self.codes == code, prepend=False, append=False))
        chunk = min(CHUNK, int(np.diff(ends)[::2].min()))
        window = chunk * WINDOW
        sampler = self._annbatch.samplers.ClassSampler(
            chunk, WINDOW, window, classes=pd.Categorical(self.codes, categories=names), num_samples=size,
            class_weights=(names == code).astype(float), rng=rng,
        )  # fmt: skip
        # to arrays of numpy and not of jax: the loop takes the cells of all problems as one matrix
        loader = self._annbatch.Loader(batch_sampler=sampler, return_index=True, preload_to_gpu=False)
        cells, places, filled = np.empty((size, self.shape[1]), dtype=np.float32), np.empty(size, dtype=np.int64), 0
        for batch in loader.add_dataset(self._cells):
            at = slice(filled, filled + len(batch["index"]))
            cells[at], places[at], filled = batch["X"], batch["index"], at.stop
        return np.searchsorted(rows, places), cells


def annbatch() -> Any:
    """Return the package that streams; raise :class:`ImportError` with what to install if it is missing."""
    return _validate.installed("annbatch", extra="scale", what="a fit to more cells than cs.settings.cells_in_memory")


def collect(x: Stored, codes: np.ndarray, budget: int, seed: int) -> Collected:
    """Return cells sorted by condition, in a temporary folder that goes when nobody needs it any more.

    It is in the folder that Python takes for such (``TMPDIR``), and as large as the cells are, in single precision.

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
    # before hours of work
    annbatch()
    folder = Path(tempfile.mkdtemp(prefix="cellot_sc-"))
    try:
        _sort(x, codes, folder, budget, np.random.default_rng(seed))
        collected = Collected(folder, budget)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise OSError(
            f"{x.shape[0]:,} cells cannot be sorted by condition in {str(folder.parent)!r} "
            f"({error.strerror or error}): make room there, or set TMPDIR to another folder."
        ) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(collected, shutil.rmtree, folder, ignore_errors=True)
    return collected


def _sort(x: Stored, codes: np.ndarray, folder: Path, budget: int, rng: np.random.Generator) -> None:
    """Write parts, each of cells of many places that are shuffled, then sorted by cloud.

    ``DatasetCollection.add_adatas`` of annbatch makes the same of dask arrays, by ten times the memory and the time.
    """
    n_cells, n_dims = x.shape
    height = CHUNK * max(1, budget // (4 * PARTS * n_dims * CHUNK))
    n_parts = -(-n_cells // height)
    runs = np.array_split(np.arange(n_cells), min(n_cells, max(n_parts * RUNS, -(-n_cells // MOST_RUN))))
    # whole runs of other places, cut where parts end
    order = np.concatenate([runs[i] for i in rng.permutation(len(runs))])
    cells = zarr.create_array(
        folder / CELLS, shape=x.shape, chunks=(CHUNK, n_dims), shards=(height, n_dims), dtype=np.float32,
        compressors=BloscCodec(cname="lz4", clevel=1),
    )  # fmt: skip
    for start in range(0, n_cells, height):
        rows = np.sort(order[start : start + height])
        part = np.empty((len(rows), n_dims), dtype=np.float32)
        for at, few in chunks(x[rows]):
            part[at] = dense(few)
        mixed = rng.permutation(len(rows))
        mixed = mixed[np.argsort(codes[rows[mixed]], kind="stable")]
        cells[start : start + len(rows)] = part[mixed]
        order[start : start + len(rows)] = rows[mixed]
    np.save(folder / PLACES, order)
    np.save(folder / CODES, codes[order])

"""AnnData files of which little is in memory: opened, or written some cells at a time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import _files, _keys

if TYPE_CHECKING:
    from anndata import AnnData

MOST_READ = 2**30
"""Bytes of ``X`` up to which the shell reads cells as a whole."""
READ = ("obs", "var", "uns", "varm", "obsp", "varp")
"""What is in memory of cells that are opened."""
ROW_CHUNK = 2**21
"""Values of a chunk that is written: 8 MB in single precision."""


def cells(path: Path) -> AnnData:
    """Read cells, or open them if their ``X`` is larger than :data:`MOST_READ`; errors as of :func:`opened`."""
    _files.check_input(path)
    return opened(path) if size(path) > MOST_READ else _files.read(path)


def size(path: Path) -> int:
    """Return how many bytes the ``X`` of a file has in memory; raise :class:`ValueError` if it cannot be read."""
    with _files.as_cells(path):
        x = _group(path).get("X")
        parts = [] if x is None else [x] if hasattr(x, "shape") else [x[name] for name in x]
        return sum(int(np.prod(part.shape)) * np.dtype(part.dtype).itemsize for part in parts)


def opened(path: Path) -> AnnData:
    """Open an ``.h5ad`` file or a ``.zarr`` folder: ``X``, ``layers`` and ``obsm`` are read when they are looked at.

    Raises
    ------
    FileNotFoundError
        If it is not there; names the nearest one in its folder.
    ValueError
        If its name ends otherwise, it cannot be read, or some of its values were never written.
    """
    _files.check_input(path)
    import anndata

    with _files.as_cells(path):
        group = _group(path)
        read: dict[str, Any] = {name: anndata.io.read_elem(group[name]) for name in READ if name in group}
        for name in ("layers", "obsm"):
            read[name] = {key: _left(group[name][key]) for key in group[name]} if name in group else {}
        if "raw" in group and "X" in group["raw"]:
            raw = group["raw"]
            read["raw"] = {"X": _left(raw["X"]), "var": anndata.io.read_elem(raw["var"])}
        return anndata.AnnData(_left(group["X"]) if "X" in group else None, **read)


def check_not_read(path: Path, adata: AnnData) -> None:
    """Raise :class:`ValueError` if cells on disk may be read from a file that is to be replaced."""
    from . import _chunks

    matrices = [adata.X, *adata.layers.values(), *adata.obsm.values()]
    if not path.exists() or not any(_chunks.is_stored(x) for x in matrices):
        return
    with _files.as_cells(path):
        is_prediction = _keys.PREDICTION in _group(path).get("uns", {})
    if not is_prediction or _keys.PREDICTION in adata.uns:
        raise ValueError(
            f"{path} may be the file that adata is read from: give out= another name, or remove it before."
        )


class GrowingFile:
    """An AnnData that is written to a file block by block of cells, which are in memory one at a time.

    Parameters
    ----------
    path
        Where: ``.h5ad`` or ``.zarr``, which is not there.
    n_obs
        Number of cells that there will be.
    """

    def __init__(self, path: Path, n_obs: int) -> None:
        self._n_obs, self._at = n_obs, 0
        self._group = _group(path, mode="w")

    def add(self, block: AnnData) -> None:
        """Write the ``X``, ``layers`` and ``obsm`` of the next cells; those of the first say what there is."""
        stop, arrays = self._at + block.n_obs, _arrays(block)
        if self._at == 0:
            self._reserve(sum(self._n_obs * values[0].nbytes for values in arrays.values()))
        for place, values in arrays.items():
            if self._at == 0:
                self._make(place, values)
            self._group[place][self._at : stop] = values
        self._at = stop

    def finish(self, frame: AnnData) -> None:
        """Write all else of an AnnData of all cells, and close the file."""
        import anndata

        for name in ("obs", "var", "uns", "obsp", "varm", "varp"):
            part = getattr(frame, name)
            anndata.io.write_elem(self._group, name, part if name in ("obs", "var", "uns") else dict(part))
        self._group.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        self.close()

    def close(self) -> None:
        """Close the file, if it is one."""
        if hasattr(self._group, "close"):
            self._group.close()

    def _reserve(self, n_bytes: int) -> None:
        """Raise :class:`OSError` if there is no room for so much: HDF5 ends the process where a disk is full."""
        if hasattr(self._group, "filename") and hasattr(os, "posix_fallocate"):
            with open(self._group.filename, "r+b") as file:
                os.posix_fallocate(file.fileno(), 0, n_bytes)

    def _make(self, place: str, values: np.ndarray) -> None:
        shape = (self._n_obs, *values.shape[1:])
        for name in ("layers", "obsm"):
            if place.startswith(name) and name not in self._group:
                self._group.create_group(name).attrs.update({"encoding-type": "dict", "encoding-version": "0.1.0"})
        rows = min(max(1, ROW_CHUNK // values[0].size), self._n_obs)
        create = getattr(self._group, "create_array", None) or self._group.create_dataset
        array = create(place, shape=shape, dtype=values.dtype, chunks=(rows, *shape[1:]))
        array.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def _arrays(block: AnnData) -> dict[str, np.ndarray]:
    layers = {f"layers/{name}": values for name, values in block.layers.items() if name is not None}
    return {"X": block.X} | layers | {f"obsm/{name}": values for name, values in block.obsm.items()}


def _group(path: Path, mode: Literal["r", "w"] = "r") -> Any:
    if path.suffix == ".h5ad":
        import h5py

        return h5py.File(path, mode)
    import zarr

    return zarr.open_group(path, mode=mode)


def _left(part: Any) -> Any:
    """Return an array or a sparse matrix of a file as it is there, and all else read."""
    import anndata

    kind = part.attrs.get("encoding-type")
    if kind in ("csr_matrix", "csc_matrix"):
        data = part["data"]
        if data.shape[0] != part["indptr"][-1] or getattr(data, "nchunks_initialized", 0) < getattr(data, "nchunks", 0):
            raise OSError(f"only some of its values were written ({part.name.strip('/')}).")
        return anndata.io.sparse_dataset(part)
    return part if kind == "array" and len(part.shape) == 2 else anndata.io.read_elem(part)

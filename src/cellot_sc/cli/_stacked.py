"""Writes the cells of several files into one, one below another, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

PIECE = 64 << 20
"""Bytes of an array that are read at once."""
ROWS = ("layers", "obsm")
"""Groups of arrays with a row per cell, as ``X`` has."""
SHARED = ("var", "varm")
"""What all files have in common."""


def stack(files: Sequence[Path], new: Path, uns: Mapping[str, Any]) -> None:
    """Write what :func:`anndata.concat` returns of files without reading their arrays all at once.

    Parameters
    ----------
    files
        Files of AnnData alike: with the same features, columns and arrays, none of them sparse.
    new
        What is written, an ``.h5ad`` file or a ``.zarr`` folder.
    uns
        What takes the place of entries of ``uns`` of the first file.
    """
    import anndata
    from anndata.io import read_elem, write_elem

    with ExitStack() as stack:
        groups = [stack.enter_context(opened(path)) for path in files]
        tables = [anndata.AnnData(obs=read_elem(group["obs"])) for group in groups]
        obs = tables[0].obs if len(tables) == 1 else anndata.concat(tables).obs
        out = stack.enter_context(opened(new, "w"))
        out.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        write_elem(out, "obs", obs)
        write_elem(out, "uns", {**read_elem(groups[0]["uns"]), **uns})
        for name in SHARED:
            write_elem(out, name, read_elem(groups[0][name]))
        for name in ("layers", "obsm", "obsp", "varp"):
            write_elem(out, name, {})
        inner = [f"{name}/{key}" for name in ROWS for key in groups[0][name]]
        for name in ["X", *inner]:
            _stack_arrays([group[name] for group in groups], out, name)


@contextmanager
def opened(path: Path, mode: Literal["r", "w"] = "r") -> Iterator[Any]:
    """Give the group that an ``.h5ad`` file or a ``.zarr`` folder is."""
    import h5py
    import zarr

    if path.suffix == ".zarr":
        yield zarr.open_group(path, mode=mode)
    else:
        with h5py.File(path, mode) as file:
            yield file


def _stack_arrays(arrays: Sequence[Any], out: Any, name: str) -> None:
    """Write arrays one below another."""
    n_rows, first = sum(array.shape[0] for array in arrays), arrays[0]
    size = max(1, PIECE // max(1, int(np.prod(first.shape[1:])) * first.dtype.itemsize))
    create = getattr(out, "create_array", None) or out.create_dataset
    target = create(name, shape=(n_rows, *first.shape[1:]), dtype=first.dtype)
    target.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    start = 0
    for array in arrays:
        for i in range(0, array.shape[0], size):
            piece = array[i : i + size]
            target[start : start + len(piece)] = piece
            start += len(piece)

"""Reads and writes AnnData files; an output is there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from . import _validate

if TYPE_CHECKING:
    from anndata import AnnData

ANNDATA = (".h5ad", ".zarr")
"""How the files of an AnnData end."""
ZARR_MARKS = ("zarr.json", ".zgroup")
"""What a folder holds that is a Zarr store."""


def read(path: Path) -> AnnData:
    """Read an AnnData from an ``.h5ad`` file or a ``.zarr`` folder.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    ValueError
        If its name ends otherwise, or it cannot be read.
    """
    _validate.input_file(path, ANNDATA)
    import anndata

    try:
        return anndata.read_h5ad(path) if path.suffix == ".h5ad" else anndata.read_zarr(path)
    except Exception as error:  # noqa: BLE001  a broken file fails in too many ways to name
        _validate.unreadable(path, error)


def write(adata: AnnData, path: Path, *, overwrite: bool) -> None:
    """Write an AnnData to an ``.h5ad`` file or a ``.zarr`` folder.

    Raises
    ------
    FileExistsError
        If it exists and may not be overwritten.
    FileNotFoundError
        If its folder is not there.
    ValueError
        If its name ends otherwise, or it would replace something else than it is.
    """
    check_output(path, ANNDATA, overwrite=overwrite)
    with replacing(path) as new:
        if path.suffix == ".h5ad":
            adata.write_h5ad(new)
        else:
            adata.write_zarr(new)


def check_output(path: Path, suffixes: tuple[str, ...], *, overwrite: bool) -> None:
    """Raise if :func:`write` would, before anything is computed."""
    _validate.output_file(path, suffixes, overwrite=overwrite)
    if path.is_dir():
        is_store = path.suffix == ".zarr" and any((path / mark).exists() for mark in ZARR_MARKS)
        _validate.replaceable(path, is_store=is_store)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; what was written to it takes the place of ``path`` at the end."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        new, old = Path(folder) / path.name, Path(folder) / "old"
        yield new
        if path.exists() and (path.is_dir() or new.is_dir()):
            # a folder cannot be replaced in one step
            os.replace(path, old)
        try:
            os.replace(new, path)
        except OSError:
            if old.exists():
                os.replace(old, path)
            raise


@contextmanager
def filling(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary folder; the files in it are moved to ``folder`` at the end, and others there stay.

    Raises
    ------
    FileExistsError
        If the folder holds anything and may not be overwritten, or is a file.
    FileNotFoundError
        If the folder that is to hold it is not there.
    """
    _validate.output_folder(folder, overwrite=overwrite)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as stage:
        yield Path(stage)
        for file in sorted(Path(stage).rglob("*")):
            place = folder / file.relative_to(stage)
            if file.is_dir():
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, place)

"""Reads and writes AnnData files; an output is there whole or not at all."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ._plugins import nearest

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
        If it is not there; names the nearest one in its folder.
    ValueError
        If its name ends otherwise, or it cannot be read.
    """
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir() if p.suffix in ANNDATA] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.4)
        hint = f" Did you mean {str(path.with_name(close[0]))!r}?" if close else ""
        raise FileNotFoundError(f"{path} does not exist.{hint}")
    _check_suffix(path, ANNDATA)
    import anndata

    try:
        return anndata.read_h5ad(path) if path.suffix == ".h5ad" else anndata.read_zarr(path)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path} cannot be read as {path.suffix}: {reason}") from error


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
    _check_suffix(path, suffixes)
    _check_place(path, taken=path.exists(), overwrite=overwrite)
    if path.is_dir() and not (path.suffix == ".zarr" and any((path / mark).exists() for mark in ZARR_MARKS)):
        raise ValueError(f"{path} is a folder that is no Zarr store: it is not replaced.")


def _check_suffix(path: Path, suffixes: tuple[str, ...]) -> None:
    if path.suffix not in suffixes:
        raise ValueError(f"{path} ends in {path.suffix!r}.{nearest(path.suffix, suffixes)}")


def _check_place(path: Path, *, taken: bool, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {str(path.parent)!r} does not exist.")
    if taken and not overwrite:
        raise FileExistsError(f"{path} exists; --overwrite replaces it.")


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
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; a folder is needed.")
    _check_place(folder, taken=folder.is_dir() and any(folder.iterdir()), overwrite=overwrite)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as stage:
        yield Path(stage)
        for file in sorted(Path(stage).rglob("*")):
            place = folder / file.relative_to(stage)
            if file.is_dir():
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, place)

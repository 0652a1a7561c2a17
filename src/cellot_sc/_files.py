"""Reads and writes files; an output is there whole or not at all, and what a killed process left of one is removed."""

from __future__ import annotations

import atexit
import gc
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._plugins import closest, nearest

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from anndata import AnnData

ANNDATA = (".h5ad", ".zarr")
"""How the files of an AnnData end."""
COMPRESSION: dict[str, Any] = {"compression": "gzip", "compression_opts": 1}
"""How .h5ad is compressed: what every HDF5 can read. Zarr has its own."""
ZARR_MARKS = ("zarr.json", ".zgroup")
"""What a folder holds that is a Zarr store."""
LOCK = ".cellot-sc"
"""File in each temporary folder. Its process holds it locked: the lock ends with the process, however that ends."""
OLD = "old"
"""What a folder that is being replaced is called in the temporary folder."""


def check_input(path: Path) -> None:
    """Raise if :func:`read` would because of the name or kind of what is to be read.

    Raises
    ------
    FileNotFoundError
        If it is not there; names the nearest one in its folder.
    ValueError
        If its name ends otherwise, or it is a folder in place of a file or the reverse, or a model.
    """
    from ._trees import tree_kind

    check_exists(path, ANNDATA)
    if (kind := tree_kind(path)) is not None:
        raise ValueError(f"{path} holds a {kind[:20]}, and cells are needed: an AnnData.")
    check_suffix(path, ANNDATA)
    if path.suffix == ".h5ad" and not path.is_file():
        raise ValueError(f"{path} cannot be read as .h5ad: it is no file.")
    if path.suffix == ".zarr" and not path.is_dir():
        raise ValueError(f"{path} cannot be read as .zarr: it is a file, not a folder.")
    # what was cut off before these were written can still be read
    missing = [name for name in ("obs", "var") if path.suffix == ".zarr" and not (path / name).exists()]
    if missing:
        raise ValueError(f"{path} cannot be read as .zarr: it holds no AnnData, or a broken one (no {missing[0]})")


def check_exists(path: Path, suffixes: tuple[str, ...]) -> None:
    """Raise :class:`FileNotFoundError` if nothing is there; names the nearest one in its folder that ends as it may."""
    if not path.exists():
        # killed between the two steps in which a folder is replaced
        _remove_abandoned(path.parent)
    if not path.exists():
        there = path.parent.iterdir() if path.parent.is_dir() else ()
        beside = [p.name for p in there if p.suffix in suffixes and p.exists()]
        close = closest(path.name, beside)
        hint = "" if close is None else f" Did you mean {str(path.with_name(close))!r}?"
        raise FileNotFoundError(f"{path} does not exist.{hint}")


def read(path: Path) -> AnnData:
    """Read an AnnData from an ``.h5ad`` file or a ``.zarr`` folder.

    Raises
    ------
    FileNotFoundError
        If it is not there; names the nearest one in its folder.
    ValueError
        If its name ends otherwise, or it cannot be read.
    """
    check_input(path)
    import anndata

    with as_cells(path):
        return anndata.read_h5ad(path) if path.suffix == ".h5ad" else anndata.read_zarr(path)


@contextmanager
def as_cells(path: Path) -> Iterator[None]:
    """Turn whatever a reader of an AnnData raises into a :class:`ValueError` of one line that names the file."""
    try:
        yield
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if not isinstance(error, OSError):
            reason = f"it holds no AnnData, or a broken one ({reason})"
        raise ValueError(f"{path} cannot be read as {path.suffix}: {reason}") from error


def check_columns(path: Path, columns: Mapping[str, str | None], *, of: str = "obs") -> None:
    """Raise :class:`KeyError` if a file of cells lacks a column, before what takes seconds is imported and read.

    Parameters
    ----------
    path
        An ``.h5ad`` file or a ``.zarr`` folder.
    columns
        By what each is called, the column, ``None`` where there is none to look for.
    of
        The table that it is a column of: ``obs`` or ``var``.
    """
    there = _columns(path, of)
    for what, name in columns.items():
        if name is not None and there is not None and name not in there:
            hint = nearest(name, there)
            if what == "perturbation_key":
                from ._validate._controls import other_column_of_file

                hint = other_column_of_file(path, name, there)
            raise KeyError(f"{what} {name!r} is not in adata.{of}.{hint}")


def check_groups(path: Path, key: str, columns: Mapping[str, str | None]) -> None:
    """Raise for columns of what cells are, by what each is for, before a file of cells with maps is read.

    Raises
    ------
    KeyError
        If the file lacks one.
    ValueError
        If one is the column that the maps under ``key`` were fitted by.
    """
    check_columns(path, columns)
    label_key = None
    # what is wrong with a file is said when it is read
    if any(columns.values()):
        with suppress(Exception), opened(path) as file:
            kept = file["uns"][key]["label_key"][()]
            label_key = kept.decode() if isinstance(kept, bytes) else str(kept)
    if label_key is not None:
        from ._validate._fits import not_treatment

        not_treatment(label_key, columns)


def _columns(path: Path, of: str) -> list[str] | None:
    """Return the columns of a table, ``None`` if the file does not say so where files of today do."""
    # what is wrong with a file is said when it is read
    with suppress(Exception):
        if path.suffix == ".h5ad":
            import h5py

            with h5py.File(path) as file:
                return [str(name) for name in file[of].attrs["column-order"]]
        kept = json.loads((path / of / "zarr.json").read_text())
        return [str(name) for name in kept["attributes"]["column-order"]]
    return None


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Give what is in an ``.h5ad`` file or a ``.zarr`` folder, to read."""
    if path.suffix == ".h5ad":
        import h5py

        with h5py.File(path) as file:
            yield file
    else:
        import zarr

        yield zarr.open_group(path, mode="r")


def write(adata: AnnData, path: Path) -> None:
    """Write an AnnData to an ``.h5ad`` file or a ``.zarr`` folder, as its name ends.

    Raises
    ------
    OSError
        If the disk is full, or fails.
    """
    if path.suffix == ".zarr":
        adata.write_zarr(path)
        return
    with writing_hdf5():
        adata.write_h5ad(path, **COMPRESSION)


@contextmanager
def writing_hdf5() -> Iterator[None]:
    """Raise what HDF5 says of a disk that is full as the :class:`OSError` that it is, once.

    Raises
    ------
    OSError
        If the disk is full, or fails.
    """
    # HDF5 prints what it cannot write a second time, and ends by a segmentation fault where it cannot close a file
    hooks, reason = (sys.excepthook, sys.unraisablehook), None
    sys.excepthook, sys.unraisablehook = lambda *_: None, lambda _: None
    try:
        yield
    except Exception as error:
        reason = re.search(r"errno = (\d+)", str(error))
        if reason is None:
            raise
    finally:
        gc.collect()
        sys.excepthook, sys.unraisablehook = hooks
    if reason is not None:
        atexit.register(_end_before_hdf5)
        raise OSError(int(reason[1]), os.strerror(int(reason[1])))


def _end_before_hdf5() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(2)


@contextmanager
def output(path: Path, suffixes: tuple[str, ...], *, overwrite: bool, remedy: str = "--overwrite") -> Iterator[Path]:
    """Give a temporary name beside ``path``, before anything is computed, as :func:`replacing` does.

    The remedy is what one types to have what is there replaced.

    Raises
    ------
    FileExistsError
        If it exists, before or at the end, and may not be overwritten.
    OSError
        If its folder is not there, or cannot be written to.
    ValueError
        If its name ends otherwise, or it would replace something else than it is.
    """
    check_output(path, suffixes, overwrite=overwrite, remedy=remedy)
    with replacing(path) as new:
        yield new
        check_replaced(path, overwrite=overwrite, remedy=remedy)


def check_output(path: Path, suffixes: tuple[str, ...], *, overwrite: bool, remedy: str = "--overwrite") -> None:
    """Raise what :func:`output` does before anything is computed, but for what its folder cannot."""
    check_suffix(path, suffixes)
    check_replaced(path, overwrite=overwrite, remedy=remedy)


def check_replaced(path: Path, *, overwrite: bool, remedy: str = "--overwrite") -> None:
    """Raise if :func:`output` would because of what is there, or is not."""
    _check_place(path, taken=path.exists(), overwrite=overwrite, remedy=remedy)
    if path.is_dir() and not (path.suffix == ".zarr" and any((path / mark).exists() for mark in ZARR_MARKS)):
        raise ValueError(f"{path} is a folder that is no Zarr store: it is not replaced.")


def check_suffix(path: Path, suffixes: tuple[str, ...]) -> None:
    """Raise :class:`ValueError` if the name of a file ends otherwise."""
    if path.suffix not in suffixes:
        raise ValueError(f"{path} ends in {path.suffix!r}.{nearest(path.suffix, suffixes)}")


def _check_place(path: Path, *, taken: bool, overwrite: bool, remedy: str = "--overwrite") -> None:
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {str(path.parent)!r} does not exist.")
    if taken and not overwrite:
        raise FileExistsError(f"{path} exists; {remedy} replaces it.")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; what was written to it takes the place of ``path`` at the end."""
    with _beside(path) as folder:
        new, old = folder / path.name, folder / OLD
        try:
            yield new
        except OSError as error:
            if error.errno is None or folder.name not in str(error.filename or folder.name):
                raise
            # the name of the output, not the temporary one
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        if path.exists() and new.is_dir():
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
    OSError
        If the folder that is to hold it is not there, or either cannot be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; a folder is needed.")
    _check_place(folder, taken=folder.is_dir() and any(folder.iterdir()), overwrite=overwrite)
    if folder.is_dir() and not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder} cannot be written to.")
    with _beside(folder) as temporary:
        stage = temporary / "new"
        stage.mkdir()
        yield stage
        for file in sorted(stage.rglob("*")):
            place = folder / file.relative_to(stage)
            if file.is_dir():
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, place)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path``; remove those that killed processes have left there."""
    _remove_abandoned(path.parent)
    try:
        with suppress(FileNotFoundError):
            path.lstat()  # fails for a name that is too long
        temporary = tempfile.TemporaryDirectory(prefix=f".{path.name[:50]}.", dir=path.parent)
    except OSError as error:
        raise OSError(error.errno, f"cannot be written: {error.strerror}", str(path)) from error
    with temporary as name:
        folder = Path(name)
        with (folder / f"{LOCK}.new").open("wb") as lock:
            # named only when it is locked, so that none is taken for abandoned; where nothing can be locked, never
            with suppress(OSError, AttributeError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.replace(lock.name, folder / LOCK)
            yield folder


def _remove_abandoned(parent: Path) -> None:
    """Remove the temporary folders of processes that are no more, and finish what one was about to replace."""
    from ._settings import logger

    for mark in parent.glob(f".*.*/{LOCK}"):
        # not there any more, another user's, or still locked
        with suppress(OSError, AttributeError), mark.open("rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder = mark.parent
            if (folder / OLD).exists():
                # the new one, which is still there, was complete when the old one was moved
                for new in [new for new in folder.iterdir() if new.name not in (LOCK, OLD)]:
                    if not (parent / new.name).exists():
                        os.replace(new, parent / new.name)
                        logger.info("put %s in its place, which a killed run had not done", parent / new.name)
            shutil.rmtree(folder, ignore_errors=True)
            logger.info("removed what a killed run had left: %s", folder)

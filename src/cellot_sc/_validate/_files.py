"""Files and folders."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ._names import nearest

FIGURE_SUFFIXES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".eps", ".ps")
"""How the files of figures end."""


def writable(path: Path, *, overwrite: bool) -> Path:
    """Return ``path``; raise :class:`FileExistsError` if it exists and may not be overwritten."""
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; --overwrite replaces it.")
    return path


def figure_file(path: str | Path | None) -> None:
    """Raise :class:`ValueError` if ``path`` does not end as a figure's file does, or its folder is not there."""
    if path is None:
        return
    file = Path(path)
    if file.suffix.lower() not in FIGURE_SUFFIXES:
        raise ValueError(f"save {str(path)!r} is no figure's file.{nearest(file.suffix, FIGURE_SUFFIXES)}")
    if not file.parent.is_dir():
        raise ValueError(f"save {str(path)!r}: the folder {str(file.parent)!r} does not exist.")


def _suffix(path: Path, suffixes: Sequence[str]) -> None:
    if path.suffix not in suffixes:
        raise ValueError(f"{path} ends in {path.suffix!r}.{nearest(path.suffix, suffixes)}")


def input_file(path: Path, suffixes: Sequence[str]) -> None:
    """Check that there is a file to read.

    Raises
    ------
    FileNotFoundError
        If there is not; names the nearest one in its folder.
    ValueError
        If its name does not end in one of ``suffixes``.
    """
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir() if p.suffix in suffixes] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.4)
        hint = f" Did you mean {str(path.with_name(close[0]))!r}?" if close else ""
        raise FileNotFoundError(f"{path} does not exist.{hint}")
    _suffix(path, suffixes)


def unreadable(path: Path, error: Exception) -> NoReturn:
    """Raise :class:`ValueError`: ``path`` is there, but reading it ended in ``error``."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    raise ValueError(f"{path} cannot be read as {path.suffix}: {reason}") from error


def output_file(path: Path, suffixes: Sequence[str], *, overwrite: bool) -> None:
    """Check that a file can be written.

    Raises
    ------
    FileExistsError
        If it exists and may not be overwritten.
    FileNotFoundError
        If its folder is not there.
    ValueError
        If its name does not end in one of ``suffixes``.
    """
    _suffix(path, suffixes)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {str(path.parent)!r} does not exist.")
    writable(path, overwrite=overwrite)


def replaceable(path: Path, *, is_store: bool) -> None:
    """Raise :class:`ValueError` if the folder ``path`` is not a store that may be replaced as a whole."""
    if not is_store:
        raise ValueError(f"{path} is a folder that is no Zarr store: it is not replaced.")


def output_folder(folder: Path, *, overwrite: bool) -> None:
    """Check that a folder can be filled.

    Raises
    ------
    FileExistsError
        If it is a file, or holds anything and may not be overwritten.
    FileNotFoundError
        If the folder that is to hold it is not there.
    """
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; a folder is needed.")
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"{folder}: the folder {str(folder.parent)!r} does not exist.")
    if folder.is_dir() and any(folder.iterdir()):
        writable(folder, overwrite=overwrite)


def not_downloaded(path: Path, url: str, reasons: Sequence[str], *, megabytes: int | None) -> NoReturn:
    """Raise :class:`FileNotFoundError`: a data set is not at ``path``, and none of its addresses gave it."""
    size = "" if megabytes is None else f" ({megabytes} MB)"
    raise FileNotFoundError(
        f"{path.name} is not in {path.parent}, and was not downloaded: {'; '.join(dict.fromkeys(reasons))}. "
        f"Download {url}{size} where there is a network and put it there as {path.name}, or point "
        "cs.settings.dataset_dir (CELLOT_SC_DATASET_DIR) to a folder that has it."
    )


def not_in_archive(folder: Path, file: str, *, doi: str, task: str, open_question: str) -> NoReturn:
    """Raise :class:`FileNotFoundError`: what a task reads from the unpacked archive ``doi`` is not in ``folder``."""
    known = f" Not verified: {open_question}." if open_question else ""
    raise FileNotFoundError(
        f"task {task!r} needs {file}, which is not in {folder}. Download the archive of the CellOT paper, "
        f"https://doi.org/{doi}, and unpack it there, so that {folder / file} exists.{known}"
    )

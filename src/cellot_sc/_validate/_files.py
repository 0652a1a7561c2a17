"""Files of figures."""

from __future__ import annotations

import os
from pathlib import Path

from ._names import nearest

FIGURE_SUFFIXES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".eps", ".ps")
"""How they end."""


def figure_file(path: str | Path | bool | None, name: str) -> Path | None:
    """Return the file that a figure is to be saved to, if any; with ``True``, that which scanpy would name after it.

    Raises
    ------
    ValueError
        If it does not end as a figure's file does, or cannot be written.
    """
    if path is None or path is False:
        return None
    if path is True:
        path = _file_of(name)
    if not isinstance(path, str | os.PathLike) or "\0" in str(path):
        raise ValueError(f"save {path!r} is no path of a file.")
    file = Path(path)
    shown = repr(str(file))
    if not file.suffix and file.name.lower() in FIGURE_SUFFIXES:
        raise ValueError(f"save {shown} has no name before its end: give one, such as {name + file.name!r}.")
    if file.suffix.lower() not in FIGURE_SUFFIXES:
        raise ValueError(f"save {shown} is no figure's file.{nearest(file.suffix, FIGURE_SUFFIXES)}")
    if not file.parent.is_dir():
        raise ValueError(f"save {shown}: the folder {str(file.parent)!r} does not exist.")
    if file.is_dir():
        raise ValueError(f"save {shown} is a folder; a figure is a file.")
    if not os.access(file.parent, os.W_OK):
        raise ValueError(f"save {shown}: the folder {str(file.parent)!r} cannot be written to.")
    return file


def _file_of(name: str) -> Path:
    """Return the file that scanpy would save a figure to, in a folder that is made if it is missing."""
    # not loaded before it is needed, as it takes a second
    import scanpy as sc

    folder = Path(sc.settings.figdir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"save True: scanpy.settings.figdir {str(folder)!r} cannot be made: {error.strerror}."
        ) from None
    return folder / f"{name}.{sc.settings.file_format_figs}"

"""Files of figures."""

from __future__ import annotations

import os
from pathlib import Path

from ._names import nearest

FIGURE_SUFFIXES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".eps", ".ps")
"""How they end."""


def figure_file(path: str | Path | None) -> None:
    """Raise :class:`ValueError` if ``path`` does not end as a figure's file does, or cannot be written."""
    if path is None:
        return
    if not isinstance(path, str | os.PathLike) or "\0" in str(path):
        raise ValueError(f"save {path!r} is no path of a file.")
    file = Path(path)
    if file.suffix.lower() not in FIGURE_SUFFIXES:
        raise ValueError(f"save {str(path)!r} is no figure's file.{nearest(file.suffix, FIGURE_SUFFIXES)}")
    if not file.parent.is_dir():
        raise ValueError(f"save {str(path)!r}: the folder {str(file.parent)!r} does not exist.")
    if file.is_dir():
        raise ValueError(f"save {str(path)!r} is a folder; a figure is a file.")
    if not os.access(file.parent, os.W_OK):
        raise ValueError(f"save {str(path)!r}: the folder {str(file.parent)!r} cannot be written to.")

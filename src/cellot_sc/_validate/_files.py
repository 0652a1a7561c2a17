"""Files of figures."""

from __future__ import annotations

from pathlib import Path

from ._names import nearest

FIGURE_SUFFIXES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".eps", ".ps")
"""How they end."""


def figure_file(path: str | Path | None) -> None:
    """Raise :class:`ValueError` if ``path`` does not end as a figure's file does, or its folder is not there."""
    if path is None:
        return
    file = Path(path)
    if file.suffix.lower() not in FIGURE_SUFFIXES:
        raise ValueError(f"save {str(path)!r} is no figure's file.{nearest(file.suffix, FIGURE_SUFFIXES)}")
    if not file.parent.is_dir():
        raise ValueError(f"save {str(path)!r}: the folder {str(file.parent)!r} does not exist.")

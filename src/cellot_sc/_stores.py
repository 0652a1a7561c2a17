"""Bytes of a file, or of the files of a folder, that may come from anybody: how many there are, and pieces of them."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np

SUFFIXES = (".zarr", ".h5")
"""How folders and files of trees end."""
FILES = 200_100
"""Most files that a folder may have."""
BLOCK = 1 << 20
CUT = "it is cut short: copy it again"


class Store:
    """A file, or a folder of files in folders, none of which is a link or a device.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is a link, a device, or was never written, or holds such.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_folder = stat.S_ISDIR(os.stat(path).st_mode)
        self._file: BinaryIO | None = None if self.is_folder else _opened(path, path.name, links=True)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Sizes of the files of a folder by their names; a file is its only one, without a name."""
        if self._file is not None:
            return {"": os.fstat(self._file.fileno()).st_size}
        return dict(sorted(_listed(self.path)))

    @property
    def size(self) -> int:
        """All bytes there are."""
        return sum(self.sizes.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def start(self, n_file: int, n_folder: int) -> bytes:
        """Return the first bytes of a file, or what a folder says of itself, as far as it is no longer."""
        if self._file is not None:
            self._file.seek(0)
            return self._file.read(n_file)
        for name in ("zarr.json", ".zattrs"):
            if (self.path / name).exists():
                with _opened(self.path / name, name) as file:
                    return file.read(n_folder)
        return b""

    def digest(self, *, after: int, without: str) -> str:
        """Return what is another one for other bytes after those of a file, or in all but one file of a folder."""
        code = hashlib.blake2b(digest_size=16)
        for name, size in self.sizes.items():
            if name == without:
                continue
            if name:
                code.update(f"{name} {size}\n".encode())
            with _opened(self.path / name, name, links=not name) as file:
                if not name:
                    file.seek(after)
                while block := file.read(BLOCK):
                    code.update(block)
        return code.hexdigest()

    def piece(self, name: str, offset: int, n_bytes: int) -> np.ndarray:
        """Return bytes: those of a file of a folder, all of them, or those at a place of a file.

        Raises
        ------
        ValueError
            If there are not so many.
        """
        if n_bytes == 0:
            return np.empty(0, dtype=np.uint8)
        if self.is_folder:
            if offset or self.sizes.get(name) != n_bytes:
                raise ValueError(f"its {name} is not there, or has another size than {n_bytes:,}: copy it again")
        elif offset < 0 or n_bytes < 0 or offset + n_bytes > self.size:
            raise ValueError(CUT)
        place = self.path / name if self.is_folder else self.path
        found = np.empty(n_bytes, dtype=np.uint8)
        with _opened(place, name, links=not self.is_folder) as file:
            file.seek(offset)
            # numpy's array is a buffer, which typeshed does not know
            if file.readinto(found) != n_bytes:  # type: ignore[attr-defined]
                raise ValueError(CUT)
        return found


def _listed(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield the names and sizes of the files in a folder and in its folders, but for those that begin with a dot."""
    n_files = 0
    for inner in [Path(), *(Path(name) for name in _inner(folder))]:
        with os.scandir(folder / inner) as entries:
            for entry in entries:
                name = (inner / entry.name).as_posix()
                if entry.name.startswith(".") or (not inner.name and entry.is_dir(follow_symlinks=False)):
                    continue
                if not entry.is_file(follow_symlinks=False):
                    raise ValueError(f"its {name[:80]!r} is a link, a device or a folder, where a file is needed")
                n_files += 1
                if n_files > FILES:
                    raise ValueError(f"it has more than {FILES:,} files")
                with _opened(folder / name, name) as file:
                    yield name, os.fstat(file.fileno()).st_size


def _inner(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        inner = (e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith("."))
        return list(islice(inner, FILES + 1))


def _opened(path: Path, name: str, *, links: bool = False) -> BinaryIO:
    """Open a file; raise :class:`ValueError` if it is none, or holds less than a tenth of its size."""
    wanted = f"its {name[:80]!r} is a link, a device or a folder, where a file is needed"
    if links:
        wanted = "it is no file, but a device, a pipe or a socket"
    # a pipe would be waited for
    if not stat.S_ISREG(os.stat(path, follow_symlinks=links).st_mode):
        raise ValueError(wanted)
    flags = os.O_RDONLY
    for flag in ("O_NONBLOCK", "O_BINARY", "O_CLOEXEC", *(() if links else ("O_NOFOLLOW",))):
        flags |= getattr(os, flag, 0)
    file = os.fdopen(os.open(path, flags), "rb")
    size = os.fstat(file.fileno()).st_size
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) or size > 10 * _stored(file, size) + 16 * BLOCK:
        file.close()
        raise ValueError(f"most of its {size:,} bytes were never written: copy it again")
    return file


def _stored(file: BinaryIO, size: int) -> int:
    """Return how many bytes of a file are on the disk, where the system can tell; the others are holes."""
    if not hasattr(os, "SEEK_DATA") or size <= 16 * BLOCK:
        return size
    stored = end = 0
    try:
        while end < size:
            start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            stored += end - start
    except OSError as error:
        # no data after this, or a system that does not tell
        if error.errno != errno.ENXIO:
            stored = size
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    return stored

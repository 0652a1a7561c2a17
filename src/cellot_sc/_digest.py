"""What values are, in a few characters: whether they are still what they were can be told without keeping them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd


def digest(value: Any) -> str:
    """Return 16 characters that are others for another value.

    Numbers count by their value, so that they are the same after they were written to a file and read again.

    Parameters
    ----------
    value
        Text, a number, an array of either, or a mapping of names to such values.

    Examples
    --------
    >>> from cellot_sc._digest import digest
    >>> digest({"a": 1, "b": "x"}) == digest({"b": "x", "a": 1.0})
    True
    >>> digest(["gene_1", "gene_2"]) == digest(["gene_2", "gene_1"])
    False
    """
    code = hashlib.blake2b(digest_size=8)
    for part in _parts(value):
        code.update(len(part).to_bytes(8, "little") + part)
    return code.hexdigest()


def name_hashes(names: Iterable[object]) -> np.ndarray:
    """Return a number for each name, uint64, the same wherever and whenever it is computed."""
    return pd.util.hash_array(np.array([str(name) for name in names], dtype=object), categorize=False)


def digest_of_cells(names: Iterable[object], *columns: Iterable[object]) -> str:
    """Return 16 characters that are the same for the same cells with the same labels, in whatever order."""
    code = name_hashes(names)
    for labels in columns:
        values, labels = np.unique(np.array([str(label) for label in labels], dtype=object), return_inverse=True)
        # odd factors and a shift: hashes that are only added up could be exchanged between cells
        code = (code ^ (code >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9) + name_hashes(values)[labels]
    code = (code ^ (code >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)
    return f"{int(code.sum(dtype=np.uint64)):016x}"


def _parts(value: Any) -> Iterable[bytes]:
    """Return what enters the digest of a value."""
    if isinstance(value, Mapping):
        for name in sorted(value):
            yield str(name).encode()
            yield from _parts(value[name])
        return
    if isinstance(value, str) or not np.iterable(value):
        value = np.array([value], dtype=object if isinstance(value, str) else None)
    array = np.asarray(value)
    if array.dtype.kind in "biuf":
        yield str(array.shape).encode()
        yield np.ascontiguousarray(array, dtype=np.float64).tobytes()
    else:
        yield from (str(part).encode() for part in array.ravel())

"""Simulations that do not fit into the memory of this machine are refused before anything is allocated."""

from __future__ import annotations

import os
from collections.abc import Mapping

SUPPOSED = 2**34
"""Bytes of memory where the system does not say how much there is."""


def memory() -> int:
    """Return the bytes of memory of this machine."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return SUPPOSED


def check_fits(n_bytes: int, sizes: Mapping[str, int]) -> None:
    """Raise :class:`ValueError` if a simulation takes more memory than there is.

    Parameters
    ----------
    n_bytes
        What it takes at least.
    sizes
        What the caller gave that decides on it, by name.
    """
    if n_bytes > (there := memory()):
        given = ", ".join(f"{name}={size}" for name, size in sizes.items())
        raise ValueError(
            f"{given} needs {n_bytes / 2**30:,.0f} GiB of memory, and this machine has {there / 2**30:,.0f} GiB: "
            "simulate less."
        )

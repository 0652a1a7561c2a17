"""Simulations that do not fit into the memory of this machine are refused before anything is allocated."""

from __future__ import annotations

from collections.abc import Mapping

from cellot_sc._machine import memory


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

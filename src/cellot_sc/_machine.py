"""The machine that this runs on."""

from __future__ import annotations

import os

UNKNOWN_MEMORY = 64 * 2**30
"""Bytes of memory that a machine has which does not say how much."""


def memory() -> int:
    """Return the bytes of memory of this machine."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    # not on Windows
    except (AttributeError, OSError, ValueError):
        return UNKNOWN_MEMORY

"""Checks of whole numbers, with the words of their errors, for every room: also for those that work on arrays only."""

from __future__ import annotations

import numpy as np


def whole(value: int, least: int, *, what: str) -> int:
    """Return ``value`` if it is a whole number, ``least`` or more; raise :class:`ValueError` otherwise.

    Examples
    --------
    >>> from cellot_sc._numbers import whole
    >>> whole(0, 1, what="k")
    Traceback (most recent call last):
        ...
    ValueError: k is 0; a positive whole number is needed.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        kind = "a positive whole number" if least == 1 else f"a whole number, {least} or more,"
        raise ValueError(f"{what} is {value!r}; {kind} is needed.")
    return int(value)


def seed(value: int) -> int:
    """Return ``value`` if it is a whole number, 0 or more; raise :class:`ValueError` otherwise."""
    return whole(value, 0, what="seed")

"""Checks of single numbers, with the words of their errors, for every room: also for those that work on arrays only."""

from __future__ import annotations

from typing import Any

import numpy as np

MOST = 2**31 - 1
"""No whole number is larger, if nothing else is said: what it counts, compiled code counts with 32 bits."""
MOST_SEED = 2**32 - 1
LEAST_REAL, MOST_REAL = 1e-30, 1e30
"""Between these lie the positive numbers that single precision holds in full."""
SHOWN = 80


def whole(value: Any, least: int, *, what: str, most: int = MOST) -> int:
    """Return ``value`` if it is a whole number from ``least`` to ``most``; raise :class:`ValueError` otherwise.

    Examples
    --------
    >>> from cellot_sc._numbers import whole
    >>> whole(0, 1, what="k")
    Traceback (most recent call last):
        ...
    ValueError: k is 0; a positive whole number is needed.
    >>> whole(10**9, 1, what="k", most=10**7)
    Traceback (most recent call last):
        ...
    ValueError: k is 1000000000; a whole number of at most 10,000,000 is needed.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        kind = "a positive whole number" if least == 1 else f"a whole number, {least} or more,"
        raise ValueError(f"{what} is {shown(value)}; {kind} is needed.")
    if value > most:
        raise ValueError(f"{what} is {shown(value)}; a whole number of at most {most:,} is needed.")
    return int(value)


def seed(value: Any) -> int:
    """Return ``value`` if it is a whole number from 0 to 2**32 - 1; raise :class:`ValueError` otherwise."""
    return whole(value, 0, what="seed", most=MOST_SEED)


def is_real(value: Any) -> bool:
    """Return whether something is one real number: neither text nor a truth value; it may be NaN or inf."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def reals(values: Any, *, what: str) -> list[float]:
    """Return real numbers, of which some may be NaN or inf; raise :class:`ValueError` if one is something else."""
    if not isinstance(values, list) or not all(map(is_real, values)):
        raise ValueError(f"{what} is {shown(values)}; a list of numbers is needed.")
    return [float(value) for value in values]


def positive(
    value: Any, *, what: str, or_zero: bool = False, least: float = LEAST_REAL, most: float = MOST_REAL
) -> float:
    """Return ``value`` if it is a positive, finite number, or 0 where that is one more choice.

    Raises
    ------
    ValueError
        If it is not, or not from ``least`` to ``most``, which are those that single precision holds.
    """
    # of whole numbers, those with more digits than a float has; of NaN, no comparison holds
    if not is_real(value) or not 0 <= value < np.inf or (value == 0 and not or_zero):
        kind = "a finite number, 0 or more," if or_zero else "a positive, finite number"
        raise ValueError(f"{what} is {shown(value)}; {kind} is needed.")
    if value != 0 and not least <= value <= most:
        raise ValueError(f"{what} is {shown(value)}; a number from {least:g} to {most:g} is needed.")
    return float(value)


def shown(value: Any) -> str:
    """Return a value as errors show it: on one line, and short however long it is."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:
        return "a number of more digits than Python prints"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."

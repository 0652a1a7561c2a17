"""Checks of solvers' options."""

from __future__ import annotations

from typing import Any

import numpy as np


def counts(config: Any, *names: str) -> None:
    """Check that options are positive whole numbers.

    Raises
    ------
    ValueError
        If one is not.
    """
    for name in names:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            msg = f"{name} is {value!r}; a positive whole number is needed."
            raise ValueError(msg)


def positive(config: Any, *names: str) -> None:
    """Check that options are positive, finite numbers.

    Raises
    ------
    ValueError
        If one is not.
    """
    for name in names:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
            msg = f"{name} is {value!r}; a positive number is needed."
            raise ValueError(msg)


def resumable(config: Any) -> None:
    """Check that there is a folder to resume from.

    Raises
    ------
    ValueError
        If there is none, and ``resume`` is asked for.
    """
    if config.resume and config.checkpoint_dir is None:
        msg = "resume=True needs the checkpoint_dir to resume from."
        raise ValueError(msg)

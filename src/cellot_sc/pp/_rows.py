"""Rows of dense and sparse matrices."""

from __future__ import annotations

from typing import Any

import numpy as np


def by_row(x: Any) -> Any:
    """Return dense or sparse ``x`` so that its rows can be taken."""
    return x.tocsr() if hasattr(x, "tocsr") else np.asarray(x)


def dense(x: Any) -> np.ndarray:
    """Return dense or sparse ``x`` as a float32 array."""
    # cells that are not used may hold anything
    with np.errstate(over="ignore"):
        return (x.toarray() if hasattr(x, "toarray") else np.asarray(x)).astype(np.float32)

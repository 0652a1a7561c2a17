"""Problems of which no cell is left: neighbouring cells are replaced by their mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ._problem import CLOUDS, Problem
from ._unseen import LEAST, leaves


def condensed(problem: Problem) -> Problem:
    """Return a problem with the means of at least 20 neighbouring cells of one context in place of every cloud.

    Each weighs as much as its cells together. Cells of contexts that have fewer are pooled, and their means are of no
    context; where they are fewer than 20 together they are left out, unless there are no others. So are cells of no
    weight.

    Parameters
    ----------
    problem
        The problem.
    """
    given: dict[str, Any] = {}
    for cloud in CLOUDS:
        cells, weights, contexts = (getattr(problem, name) for name in (cloud, f"{cloud}_weights", f"{cloud}_contexts"))
        parts = _parts(cells, weights, contexts)
        given[cloud] = np.reshape(
            [cells[rows].mean(axis=0, dtype=np.float64) for rows, _ in parts], (-1, cells.shape[1])
        )
        # a cell that weighs more than its neighbours would shine through their weighted mean
        given[f"{cloud}_weights"] = np.array(
            [len(rows) if weights is None else weights[rows].sum() for rows, _ in parts]
        )
        if contexts is not None:
            codes = np.array([code for _, code in parts], dtype=np.int64)
            given[f"{cloud}_contexts"] = codes.reshape(len(parts), *contexts.shape[1:])
    return replace(problem, **given)


def _parts(
    cells: np.ndarray, weights: np.ndarray | None, contexts: np.ndarray | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return rows of neighbouring cells, and the codes of their context."""
    rows = np.arange(len(cells)) if weights is None else np.flatnonzero(weights > 0)
    if not len(rows):
        return []
    codes = np.zeros((len(rows), 1), dtype=np.int64) if contexts is None else contexts[rows].reshape(len(rows), -1)
    _, groups, sizes = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    codes = np.where((sizes < LEAST)[groups.ravel(), None], -1, codes)
    paths, groups = np.unique(codes, axis=0, return_inverse=True)
    members = [rows[groups.ravel() == k] for k in range(len(paths))]
    return [
        (of[leaf], path)
        for of, path in zip(members, paths, strict=True)
        if len(of) >= LEAST or len(paths) == 1
        for leaf in leaves(cells[of].astype(np.float64), LEAST)
    ]

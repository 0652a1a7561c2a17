"""Discrete couplings of moscot, as peers of the maps."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from anndata import AnnData

if TYPE_CHECKING:
    from ._fate import Reading


def coupled_shares(reading: Reading) -> np.ndarray:
    """Return what :meth:`._fate.Reading.shares` does, by the couplings of moscot's TemporalProblem with its defaults.

    The share of a fate is that of the mass which an early cell sends to late cells with that label, through the
    couplings between all times; mass sent to other late cells is left out. NaN where a cell sends none to any.
    """
    shares = np.full((len(reading.x), len(reading.fates)), np.nan)
    after = np.flatnonzero(reading.taken == reading.end)
    sent = reading.one_hot[after].astype(np.float64)
    for start in range(reading.end - 1, -1, -1):
        rows = np.flatnonzero(reading.taken == start)
        solution = solve(reading.x[rows], reading.x[after])
        mass = np.asarray(solution.pull(np.ones((len(after), 1))), dtype=np.float64)
        pulled = np.asarray(solution.pull(sent), dtype=np.float64)
        sent = np.divide(pulled, mass, out=np.zeros_like(pulled), where=mass > 0)
        total = sent.sum(axis=1, keepdims=True)
        shares[rows] = np.divide(sent, total, out=np.full_like(sent, np.nan), where=total > 0)
        after = rows
    return shares


def solve(x: np.ndarray, y: np.ndarray) -> Any:
    """Return moscot's solution between two clouds of cells, with its defaults."""
    # it takes seconds to import
    from moscot._logging import logger
    from moscot.problems.time import TemporalProblem

    both = AnnData(np.concatenate([x, y]), obs={"time": np.repeat([0.0, 1.0], [len(x), len(y)])})
    both.obs["time"] = both.obs["time"].astype("category")
    both.obsm["X_rep"] = np.concatenate([x, y])
    level = logger.level
    with warnings.catch_warnings():
        # it stands on libraries that warn of themselves
        warnings.simplefilter("ignore")
        # what it has to warn of itself is shown, and not that it began
        logger.setLevel("WARNING")
        try:
            problem: Any = TemporalProblem(both)  # type: ignore[abstract]
            problem = problem.prepare("time", joint_attr="X_rep").solve()
        finally:
            logger.setLevel(level)
    return problem[0.0, 1.0].solution

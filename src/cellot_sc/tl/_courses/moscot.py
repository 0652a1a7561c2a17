"""What moscot does: discrete couplings, as baselines of the maps, and growth from genes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _validate
from .fate import Reading

ORGANISMS: tuple[Literal["human"], Literal["mouse"]] = ("human", "mouse")
"""Those of which moscot knows genes of division and death."""


def coupled_shares(reading: Reading) -> np.ndarray:
    """Return what :meth:`._fate.Reading.shares` does, by the couplings of moscot's TemporalProblem with its defaults.

    The share of a fate is that of the mass which an early cell sends to late cells with that label, through the
    couplings between all times; mass sent to other late cells is left out. As with maps, it is the mean over the cells
    most like each, of those that send anything to a labelled one.
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
    return reading.averaged(shares)


def solve(x: np.ndarray, y: np.ndarray) -> Any:
    """Return moscot's solution between two clouds of cells, with its defaults."""
    # it takes seconds to import
    from moscot.problems.time import TemporalProblem

    both = AnnData(np.concatenate([x, y]), obs={"time": np.repeat([0.0, 1.0], [len(x), len(y)])})
    both.obs["time"] = both.obs["time"].astype("category")
    both.obsm["X_rep"] = np.concatenate([x, y])
    with _quiet():
        problem: Any = TemporalProblem(both)  # type: ignore[abstract]
        problem = problem.prepare("time", joint_attr="X_rep").solve()
    return problem[0.0, 1.0].solution


def birth_and_death(x: Any, genes: pd.Index) -> np.ndarray:
    """Return how many descendants every cell has after one unit of time, by moscot's birth-death process.

    Cells are scored by the genes of division and of death that moscot lists for human or mouse, whichever has more of
    its genes here; rates of birth and death follow from the scores by its default curves (Schiebinger et al. 2019).

    Parameters
    ----------
    x
        Log-normalised expression, shape ``(n_cells, n_genes)``.
    genes
        Names of the genes.
    """
    with _quiet():
        from moscot.base.problems.birth_death import beta, delta
        from moscot.problems.time import TemporalProblem
        from moscot.utils.data import apoptosis_markers, proliferation_markers

    listed = (proliferation_markers, apoptosis_markers)
    sets = {o: [genes.intersection(markers(o)) for markers in listed] for o in ORGANISMS}
    organism = max(sets, key=lambda o: sum(map(len, sets[o])))
    _validate.growth_genes(*map(len, sets[organism]))
    cells = AnnData(x, var=pd.DataFrame(index=genes))
    # scanpy seeds the generator that is everybody's
    state = np.random.get_state()
    try:
        with _quiet():
            problem: Any = TemporalProblem(cells)  # type: ignore[abstract]
            problem.score_genes_for_marginals(*(list(names) for names in sets[organism]))
    finally:
        np.random.set_state(state)
    birth, death = (cells.obs[name].to_numpy(dtype=np.float64) for name in ("proliferation", "apoptosis"))
    return np.exp(np.asarray(beta(birth)) - np.asarray(delta(death)))


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        # it stands on libraries that warn of themselves
        warnings.simplefilter("ignore")
        from moscot._logging import logger

        level = logger.level
        # what it has to warn of itself is shown, and not that it began
        logger.setLevel("WARNING")
        try:
            yield
        finally:
            logger.setLevel(level)

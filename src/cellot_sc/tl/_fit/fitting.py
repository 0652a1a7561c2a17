"""Runs a solver with a progress meter on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tqdm.auto import tqdm

from ..._settings import settings
from ...ot import Problem, Solution, Solver
from ...ot._solvers import registry


def fit_all(pairs: Sequence[Problem], solver: Solver, config: Any, seed: int) -> list[Solution]:
    """Fit a map for every pair of clouds, and show how far that is.

    Parameters
    ----------
    pairs
        The clouds.
    solver
        The solver.
    config
        Its checked options.
    seed
        Seed of everything random.
    """
    with tqdm(desc=solver.name, disable=not settings.progress, leave=False) as bar:

        def progress(done: int, total: int, metrics: dict[str, float]) -> None:
            bar.total = total
            bar.update(done - bar.n)
            bar.set_postfix({name: f"{value:.3g}" for name, value in metrics.items()})

        return registry.run(solver, pairs, config, seed, progress)

"""The registry of solvers: a name, and how to fit a transport map for each of several problems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import _defaults, _numbers
from ..._calls import plain
from ..._compiled import kept
from ..._plugins import Registry, nearest
from .._composition import comparable
from .._maps.base import PLACES
from .._problem import Problem, Progress, Solution
from .solver import Solver

SOLVERS: Registry[Solver] = Registry(
    Solver, "cellot_sc.solvers", places={name: f"{__package__}.{name}:SOLVER" for name in _defaults.SOLVERS}
)
"""Every solver by its name."""
PLACES |= {
    name: f"{__package__}.{name}:{made}"
    for name, made in {
        "entropic": "EntropicMap",
        "popalign": "MixtureMap",
        "neural_dual": "NeuralDualMap",
        "scgen": "ScgenMap",
        "cae": "CaeMap",
    }.items()
}


def register(solver: Solver) -> Solver:
    """Let a solver be found by its name, for as long as Python runs.

    A distribution that names the solver in its group of entry points ``cellot_sc.solvers`` needs no such call.

    Parameters
    ----------
    solver
        The solver.

    Returns
    -------
    The solver.

    Raises
    ------
    TypeError
        If it is none.
    ValueError
        If another solver has its name.

    Examples
    --------
    One whose name is that of another function is refused, one that is defined again takes its own place:

    >>> import dataclasses
    >>> from cellot_sc import ot
    >>> ot.register(dataclasses.replace(ot.SOLVERS["mean_shift"])).label
    'mean shift'
    """
    return SOLVERS.register(solver)


def configure(solver: str | Solver, **options: Any) -> Any:
    """Return the checked options of a solver.

    Raises
    ------
    ValueError
        If there is no such solver, or an option has an impossible value.
    TypeError
        If the solver has no such option.
    """
    solver = SOLVERS.resolve(solver)
    for option in options:
        if option not in solver.options():
            raise TypeError(f"solver {solver.name!r} has no option {option!r}.{nearest(option, solver.options())}")
    try:
        return solver.config(**options)
    except (TypeError, ValueError) as error:
        # the shell prints what is raised here as a sentence, not as a traceback
        raise ValueError(str(error)) from error


def check_able(solver: Solver, *, weights: bool, contexts: bool) -> None:
    """Raise :class:`ValueError` if a solver cannot weigh cells or fits no map per context, and that is wanted."""
    if weights and not solver.weighs:
        able = [name for name, other in SOLVERS.items() if other.weighs]
        raise ValueError(f"solver {solver.name!r} cannot weigh cells.{nearest('', able)}")
    if contexts and not solver.contexts:
        able = [name for name, other in SOLVERS.items() if other.contexts]
        raise ValueError(
            f"solver {solver.name!r} fits no map per context: leave context out, or give another solver."
            f"{nearest('', able)}"
        )


def check_streams(solver: Solver, n_cells: int, n_dims: int, *, contexts: bool) -> None:
    """Raise :class:`ValueError` if a solver cannot fit to cells that are not in memory, given how many they are."""
    if solver.streams and not contexts:
        return
    needs = f"solver {solver.name!r}" + " with contexts" * contexts
    able = ", ".join(repr(name) for name, other in SOLVERS.items() if other.streams)
    raise ValueError(
        f"{needs} needs its {n_cells:,} cells of {n_dims:,} dimensions in memory, {n_cells * n_dims / 2**28:,.3g} GiB, "
        f"which is more than cs.settings.cells_in_memory: raise that, represent cells by fewer dimensions, or let one "
        f"of {able} read them from disk, without contexts."
    )


@plain
def fit(
    problems: Sequence[Problem],
    solver: str | Solver = _defaults.SOLVER,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Any,
) -> list[Solution]:
    """Fit one transport map per problem.

    Parameters
    ----------
    problems
        Pairs of clouds in the same space. One of which no context has cells on both sides is fitted without contexts.
    solver
        Name in :data:`SOLVERS`, or a solver itself.
    seed
        Seed of everything random. The same seed gives the same maps on the same machine, to the bit.
    progress
        Called as the fit goes on.
    **options
        Options of the solver.

    Returns
    -------
    A fit per problem, in the same order.

    Raises
    ------
    ValueError
        If there is no such solver, an option or the seed has an impossible value, cells have weights or contexts
        of which the solver knows nothing, the fit would not fit into memory, or the checkpoint that is to be
        resumed cannot be read or belongs to another fit.
    TypeError
        If the solver has no such option.
    OSError
        If nothing can be written to the ``checkpoint_dir``, or the disk is full.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc import ot
    >>> x = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    >>> [fit] = ot.fit([ot.Problem(x, x + 1)], "mean_shift")
    >>> fit.map.shift.round(3).tolist()
    [1.0, 1.0]
    """
    return run(SOLVERS.resolve(solver), problems, configure(solver, **options), _numbers.seed(seed), progress)


def run(
    solver: Solver, problems: Sequence[Problem], config: Any, seed: int, progress: Progress | None
) -> list[Solution]:
    """Run a solver with checked options, if it can do what the problems need; see :func:`fit`."""
    check_able(
        solver,
        weights=any(problem.is_weighted for problem in problems),
        contexts=any(problem.source_contexts is not None for problem in problems),
    )
    if stored := [problem for problem in problems if problem.is_stored]:
        n_cells = sum(len(of) for problem in stored for of in (problem.source, problem.target))
        check_streams(solver, n_cells, stored[0].n_dims, contexts=stored[0].source_contexts is not None)
    # contexts that are on one side each show no response
    problems = [problem if comparable(problem) else problem.pooled for problem in problems]
    with kept():
        solutions = solver.run(problems, config, seed, progress)
    if len(solutions) != len(problems):
        raise ValueError(
            f"solver {solver.name!r} returned {len(solutions)} solutions of {len(problems)} problems: each needs one."
        )
    return solutions

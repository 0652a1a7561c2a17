"""What every solver has to keep, from inside or outside of the package."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..._calls import plain
from ..._plugins import promised
from .._maps.contract import check_map, close, leaves, need, same
from .._problem import Problem, Solution
from .registry import SOLVERS, configure, run
from .solver import Solver

N_DIMS = 3


@plain
def check_solver(solver: str | Solver, **options: Any) -> None:
    """Check that a solver keeps what the rest of the package relies on, by fitting a few small problems.

    One problem and two, in any order, with validation cells and without, with weights and contexts if it takes
    them: the same seed gives the same maps, these move cells as maps do, rebuild from their states to the bit, and
    nothing that was given is changed. Options that are no number where one is needed are refused.

    Parameters
    ----------
    solver
        Name in :data:`SOLVERS`, or a solver itself.
    **options
        Options with which it fits in little time.

    Raises
    ------
    AssertionError
        If something does not hold. The sentence says what.
    TypeError
        If it is no solver, or has no such option.
    ValueError
        If there is none of that name, or an option has an impossible value.

    Examples
    --------
    >>> from cellot_sc import ot
    >>> ot.check_solver("gaussian")
    """
    solver = SOLVERS.resolve(solver)
    with promised(f"solver {solver.name!r}"):
        _check_options(solver, options)
        _check_fits(solver, options)


def _check_fits(solver: Solver, options: dict[str, Any]) -> None:
    problems, untouched = (_problems() for _ in range(2))
    seen: list[tuple[int, int]] = []
    first, second = (
        run(solver, problems, configure(solver, **options), 0, lambda done, total, _: seen.append((done, total)))
        for _ in range(2)
    )
    name = f"solver {solver.name!r}"
    need(all(0 < done <= total for done, total in seen), f"{name} reports more steps than there are.")
    _check_solutions(solver, problems, first)
    for one, other in zip(_states(first), _states(second), strict=True):
        need(same(one, other), f"{name} fits other maps with the same seed: draw from the seed only.")
    for problem, before in zip(problems, untouched, strict=True):
        need(same(_arrays(problem), _arrays(before)), f"{name} changes the cells that it is given.")
    cells = problems[0].source
    # of the same shapes, with a source that they share, too: nothing is compiled anew
    twice = [problems[0], dataclasses.replace(problems[0], target=problems[0].target.copy())]
    turned, doubled = (run(solver, others, configure(solver, **options), 0, None) for others in (problems[::-1], twice))
    for pair in (*zip(first, turned[::-1], strict=True), (first[0], doubled[0])):
        moved = (fitted.map.transport(cells) for fitted in pair)
        need(close(*moved), f"{name} fits other maps beside other problems: return one of each, in their order.")

    # all in one, since every new kind of problem may be compiled anew
    alone = dataclasses.replace(problems[0], source_valid=cells[:0], target_valid=cells[:0])
    if solver.contexts:
        # of the first, one is on one side only, and some cells have none
        contexts = [np.arange(len(cloud)) % 4 - 1 for cloud in (cells, alone.target)]
        contexts[0][:3] = 3
        alone = dataclasses.replace(alone, source_contexts=contexts[0], target_contexts=contexts[1])
    ramp = np.linspace(0.1, 3, len(cells))
    fits = []
    for weights in (ramp, ramp[::-1]) if solver.weighs else (None,):
        weighed = [dataclasses.replace(alone, source_weights=weights)]
        given = {label: array.copy() for label, array in _arrays(weighed[0]).items()}
        fits += run(solver, weighed, configure(solver, **options), 0, None)
        need(same(_arrays(weighed[0]), given), f"{name} changes the weights or contexts that it is given.")
        _check_solutions(solver, weighed, fits[-1:])
    if solver.weighs and not np.array_equal(fits[0].map.transport(cells), cells):
        need(not same(*_states(fits)), f"{name} ignores weights: say weighs=False.")


def _problems() -> list[Problem]:
    """Return two problems that share their source cells, as two perturbations share the control cells."""
    first, second = (_problem(seed) for seed in range(2))
    return [first, dataclasses.replace(second, source=first.source, source_valid=first.source_valid)]


def _problem(seed: int) -> Problem:
    """Return cells of which the ones on either side went apart."""
    rng = np.random.default_rng(seed)
    clouds = [rng.normal(size=(n, N_DIMS)).astype(np.float32) for n in (120, 110, 30, 32)]
    for cloud in (clouds[1], clouds[3]):
        cloud[:, 0] += np.where(cloud[:, 0] > 0, 3, -3)
    return Problem(*clouds)


def _check_solutions(solver: Solver, problems: Sequence[Problem], solutions: Sequence[Solution]) -> None:
    name = f"solver {solver.name!r}"
    for problem, (transport, history) in zip(problems, solutions, strict=True):
        check_map(transport, problem.source)
        n_looks = {len(history.step), len(history.seconds), *map(len, history.metrics.values())}
        need(len(n_looks) == 1, f"{name} has a history with steps, seconds and metrics of unequal number.")


def _check_options(solver: Solver, options: dict[str, Any]) -> None:
    """Check that what is no number is refused where an option is one, or several."""
    config = configure(solver, **options)
    for option in solver.options():
        value = getattr(config, option)
        if isinstance(value, bool) or not isinstance(value, int | float | tuple):
            continue
        nonsense = (math.nan,) if isinstance(value, tuple) else math.nan
        said = ""
        try:
            configure(solver, **{**options, option: nonsense})
        except ValueError as error:
            said = str(error)
        need(option in said, f"option {option!r} of {solver.name!r} takes NaN: raise a ValueError that names it.")


def _states(solutions: Sequence[Solution]) -> list[dict[str, Any]]:
    return [dict(leaves(solution.map.state())) for solution in solutions]


def _arrays(problem: Problem) -> dict[str, np.ndarray]:
    return {name: value for name, value in vars(problem).items() if isinstance(value, np.ndarray)}

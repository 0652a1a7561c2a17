"""Weighs the cells of a fit where kinds of cells differ in abundance, as far as that is seen without labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ... import _validate
from ..._settings import logger
from ...ot import SOLVERS, Problem, Solver

if TYPE_CHECKING:
    from .fit import Fit

N_NAMED = 3
"""Perturbations that the log names."""


def matches(match_abundance: bool | None, solver: Solver, context: Sequence[str]) -> bool:
    """Return whether abundance is matched: with ``None``, wherever it can be.

    Raises
    ------
    ValueError
        If it is asked for of a solver that cannot weigh cells.
    """
    if match_abundance is None:
        return solver.weighs and not context
    if match_abundance and not solver.weighs:
        able = [name for name, other in SOLVERS.items() if other.weighs]
        raise ValueError(
            f"match_abundance=True, and solver {solver.name!r} cannot weigh cells.{_validate.nearest('', able)}"
        )
    return bool(match_abundance)


def matched(
    fit: Fit, pairs: Sequence[tuple[str, str]], problems: list[Problem], *, tell: bool = False
) -> list[Problem]:
    """Return the problems of a fit with the weights that match abundance, if that is wanted and it differs.

    Parameters
    ----------
    fit
        What is fitted.
    pairs
        Labels of the source and the target cells of every problem.
    problems
        The problems.
    tell
        Whether the log says where abundance was matched.
    """
    if not fit.match_abundance:
        return problems
    # what clusters cells takes a while to import
    from ...ot._abundance import matched as weighed

    found = [weighed(problem, seed=fit.seed) for problem in problems]
    names = [after for (_, after), old, new in zip(pairs, problems, found, strict=True) if new is not old]
    if tell and names:
        more = f" and {len(names) - N_NAMED} more" * (len(names) > N_NAMED)
        logger.info(
            "kinds of cells seem to differ in abundance between %r and %s%s: cells are weighed so that the map need "
            "not turn one into another. Without labels, a change of state can look the same: give context= where they "
            "are known, match_abundance=False to weigh nothing",
            *(fit.control, ", ".join(map(repr, names[:N_NAMED])), more),
        )
    return found

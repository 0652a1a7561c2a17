"""What can be taken over from moscot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from anndata import AnnData

MIN_GROWTH_GENES = 5
"""Fewer genes of division or of death than this say little about a cell."""


def moscot_problem(problem: Any) -> str:
    """Return the column of ``obs`` whose labels a moscot problem couples.

    Raises
    ------
    TypeError
        If it is no such problem.
    ValueError
        If it is not solved.
    """
    key = getattr(problem, "temporal_key", None) or getattr(problem, "batch_key", None)
    if not hasattr(problem, "solutions") or not hasattr(problem, "adata"):
        kind = type(problem).__name__
        raise TypeError(f"problem is of type {kind}; a solved TemporalProblem or SinkhornProblem of moscot is needed.")
    if key is None or not problem.solutions:
        raise ValueError("The moscot problem is not solved: call its prepare() and solve() first.")
    return str(key)


def full_rank_solution(solution: Any, pair: Any) -> tuple[Any, Any]:
    """Return the dual potentials of a solution; raise :class:`ValueError` if it has none."""
    potentials = None if solution is None else solution.potentials
    if potentials is None:
        raise ValueError(f"The solution of {pair} has no dual potentials: solve with full rank (rank=-1).")
    return potentials


def squared_euclidean(geometry: Any, pair: Any) -> None:
    """Raise :class:`ValueError` if a geometry is not that of squared Euclidean distances between points."""
    cost = type(getattr(geometry, "cost_fn", None)).__name__
    if cost != "SqEuclidean":
        raise ValueError(
            f"The cost of {pair} is {cost if cost != 'NoneType' else 'a matrix'}: cost='sq_euclidean' is needed."
        )


def pairs_of_one_kind(pairs: Sequence[tuple[str, str]], *, sequential: bool) -> None:
    """Raise :class:`ValueError` if pairs are neither consecutive nor of one source."""
    if not sequential and len({source for source, _ in pairs}) > 1:
        shown = ", ".join(f"{source} with {target}" for source, target in pairs[:4])
        raise ValueError(
            f"The problem couples {shown}: pairs are to be consecutive (policy='sequential'), or of one source."
        )


def growth_genes(n_proliferation: int, n_apoptosis: int) -> None:
    """Raise :class:`ValueError` if there are too few genes of division or death to score cells by."""
    if min(n_proliferation, n_apoptosis) < MIN_GROWTH_GENES:
        raise ValueError(
            f"growth='moscot' scores cells by genes of division and of death, of which {n_proliferation} and "
            f"{n_apoptosis} are here; at least {MIN_GROWTH_GENES} of either are needed, under their symbols in human "
            "or mouse."
        )


def solved_elsewhere(adata: AnnData) -> NoReturn:
    """Raise :class:`KeyError`: a problem was solved in a space that is not kept."""
    raise KeyError(
        "The space in which the moscot problem was solved is not in obsm: give joint_attr the name of a representation "
        f"when you prepare it, one of {', '.join(map(repr, adata.obsm)) or 'none that there is yet'}."
    )

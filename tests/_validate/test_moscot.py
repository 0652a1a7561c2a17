"""Stand-ins for what moscot has: the real ones are in the tests of ``cs.tl.from_moscot``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from anndata import AnnData

from cellot_sc import _validate


def problem(**attributes: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"solutions": {1: 2}, "adata": None, "temporal_key": "day"} | attributes)


def test_problem() -> None:
    assert _validate.moscot_problem(problem()) == "day"
    assert _validate.moscot_problem(problem(temporal_key=None, batch_key="drug")) == "drug"
    with pytest.raises(TypeError, match="problem is of type int; a solved TemporalProblem"):
        _validate.moscot_problem(3)
    for unsolved in (problem(solutions={}), problem(temporal_key=None)):
        with pytest.raises(ValueError, match="is not solved: call its prepare"):
            _validate.moscot_problem(unsolved)


def test_full_rank() -> None:
    assert _validate.full_rank_solution(SimpleNamespace(potentials=(1, 2)), ("a", "b")) == (1, 2)
    for solution in (None, SimpleNamespace(potentials=None)):
        with pytest.raises(ValueError, match=r"solution of \('a', 'b'\) has no dual potentials"):
            _validate.full_rank_solution(solution, ("a", "b"))


def test_cost() -> None:
    class SqEuclidean: ...

    class Cosine: ...

    _validate.squared_euclidean(SimpleNamespace(cost_fn=SqEuclidean()), ("a", "b"))
    with pytest.raises(ValueError, match="is Cosine: cost='sq_euclidean' is needed"):
        _validate.squared_euclidean(SimpleNamespace(cost_fn=Cosine()), ("a", "b"))
    with pytest.raises(ValueError, match="is a matrix: cost"):
        _validate.squared_euclidean(SimpleNamespace(), ("a", "b"))


def test_pairs() -> None:
    _validate.pairs_of_one_kind([("0", "1"), ("1", "2")], sequential=True)
    _validate.pairs_of_one_kind([("0", "1"), ("0", "2")], sequential=False)
    with pytest.raises(ValueError, match="couples 0 with 1, 1 with 3: pairs are to be consecutive"):
        _validate.pairs_of_one_kind([("0", "1"), ("1", "3")], sequential=False)


def test_genes() -> None:
    _validate.growth_genes(5, 5)
    with pytest.raises(ValueError, match="of which 5 and 4 are here; at least 5"):
        _validate.growth_genes(5, 4)


def test_solved_elsewhere(adata: AnnData) -> None:
    with pytest.raises(KeyError, match="one of 'X_pca'"):
        _validate.solved_elsewhere(adata)

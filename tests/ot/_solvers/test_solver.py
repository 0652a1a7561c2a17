from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._solvers.solver import Meter, NoOptions, closed_form, one_by_one

CELLS = np.arange(8.0).reshape(4, 2)
PROBLEMS = [ot.Problem(CELLS, CELLS + step) for step in (1, 2, 3)]


@dataclasses.dataclass(frozen=True)
class Options:
    n_steps: int = 2


def fit_slowly(problem: ot.Problem, config: Options, seed: int, report: Meter) -> ot.Solution:
    """Move cells by the seed."""
    for step in range(1, config.n_steps + 1):
        report(step, {"loss": float(problem.target[0, 0])})
    return ot.Solution(ot.MeanShiftMap(np.full(2, seed)), ot.History(selected=config.n_steps))


SLOW = ot.Solver("slow", "moves cells by the seed", Options, one_by_one(fit_slowly, lambda config: config.n_steps))


def test_problems_are_fitted_one_by_one_and_steps_add_up() -> None:
    seen: list[Any] = []
    fits = ot.fit(PROBLEMS, SLOW, seed=7, n_steps=2, progress=lambda *told: seen.append(told))
    assert [fit.map.transport(CELLS)[0].tolist() for fit in fits] == [[7.0, 8.0]] * 3
    assert seen == [
        (1, 6, {"loss": 1.0}), (2, 6, {"loss": 1.0}), (3, 6, {"loss": 2.0}),
        (4, 6, {"loss": 2.0}), (5, 6, {"loss": 3.0}), (6, 6, {"loss": 3.0}),
    ]  # fmt: skip
    assert ot.fit(PROBLEMS, SLOW)[2].history.selected == 2


def test_a_closed_form_is_applied_to_every_problem() -> None:
    run = closed_form(lambda problem: ot.MeanShiftMap(problem.target[0] - problem.source[0]))
    fits = run(PROBLEMS, NoOptions(), 0, None)
    assert [fit.map.transport(CELLS[:1]).tolist() for fit in fits] == [[[1, 2]], [[2, 3]], [[3, 4]]]
    assert all(fit.history == ot.History() for fit in fits)


def test_a_record_knows_its_options_its_label_and_what_fits() -> None:
    assert SLOW.options() == ["n_steps"]
    assert SLOW.label == "slow"
    assert dataclasses.replace(SLOW, label="quick").label == "quick"
    assert SLOW.origin == f"{__name__}.fit_slowly"
    origins = {solver.origin for solver in ot.SOLVERS.values()}
    assert len(origins) == len(ot.SOLVERS)
    with pytest.raises(dataclasses.FrozenInstanceError):
        SLOW.name = "other"  # type: ignore[misc]

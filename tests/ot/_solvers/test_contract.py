from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from cellot_sc import ot

LOOP = {"width": 8, "depth": 2, "batch_size": 16}
# few steps: what is looked at is not how good a map gets
QUICK: dict[str, dict[str, Any]] = {
    "icnn": LOOP | {"penalties": (10.0,), "n_steps": 20, "check_every": 10, "min_steps": 10},
    "entropic": {"epsilons": (0.05, 0.02)},
    "popalign": {"n_components": (1, 2)},
    "expectile": {"batch_size": 16, "n_steps": 20, "check_every": 10},
    "monge_gap": LOOP | {"n_steps": 10, "check_every": 5, "epsilon": 0.1},
    "neural_dual": LOOP | {"depth": 1, "n_steps": 2},
    "scgen": {"n_steps": 20, "check_every": 10},
    "cae": {"n_steps": 20, "check_every": 10},
    "paper": LOOP | {"n_steps": 10, "check_every": 5, "n_inner": 2},
}
SLOW = ("neural_dual",)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in ot.SOLVERS]
)
def test_every_solver_keeps_the_contract(name: str) -> None:
    ot.check_solver(name, **QUICK.get(name, {}))


@dataclasses.dataclass(frozen=True)
class Options:
    size: float = 1.0
    sizes: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if not np.isfinite(self.size):
            raise ValueError("size is no number.")
        if not np.isfinite(self.sizes).all():
            raise ValueError("sizes holds what is no number.")


@dataclasses.dataclass(frozen=True)
class Careless:
    size: float = 1.0


def shifted(problems: Sequence[ot.Problem], config: Options, seed: int, progress: Any) -> list[ot.Solution]:
    """A solver of which nothing is broken."""
    maps = [ot.MeanShiftMap(np.mean(p.target, axis=0) - np.mean(p.source, axis=0)) for p in problems]
    return [ot.Solution(transport, ot.History()) for transport in maps]


def solver(run: Callable[..., Any] = shifted, **changed: Any) -> ot.Solver:
    return dataclasses.replace(ot.Solver("mine", "moves cells", Options, run), **changed)


def loses_one(*given: Any) -> list[ot.Solution]:
    return shifted(*given)[1:]


def turns_around(*given: Any) -> list[ot.Solution]:
    return shifted(*given)[::-1]


def fits_the_first_only(problems: Sequence[ot.Problem], *rest: Any) -> list[ot.Solution]:
    return shifted([problems[0]] * len(problems), *rest)


def breaks_down(*given: Any) -> list[ot.Solution]:
    raise KeyError("nowhere")


class Narrow(ot.MeanShiftMap):
    kind = "narrow"

    def _forward(self, x: np.ndarray) -> np.ndarray:
        return x[:, :1]


def narrows(*given: Any) -> list[ot.Solution]:
    return [ot.Solution(Narrow(transport.shift), history) for transport, history in shifted(*given)]  # type: ignore[attr-defined]


def draws_anew(problems: Sequence[ot.Problem], *_: Any) -> list[ot.Solution]:
    return [ot.Solution(ot.MeanShiftMap(np.random.default_rng().normal(size=3)), ot.History()) for _ in problems]


def centres_in_place(problems: Sequence[ot.Problem], *rest: Any) -> list[ot.Solution]:
    for problem in problems:
        problem.target[:] -= 1
    return shifted(problems, *rest)


def overcounts(problems: Sequence[ot.Problem], config: Options, seed: int, progress: Any) -> list[ot.Solution]:
    if progress is not None:
        progress(2, 1, {})
    return shifted(problems, config, seed, progress)


def counts_unequally(*given: Any) -> list[ot.Solution]:
    return [ot.Solution(transport, ot.History(step=[1])) for transport, _ in shifted(*given)]


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (solver(loses_one), "returned 1 solutions of 2 problems: each needs one"),
        (solver(turns_around), "fits other maps beside other problems"),
        (solver(fits_the_first_only), "other problems: return one of each"),
        (solver(breaks_down), "solver 'mine' raises KeyError: .nowhere."),
        (solver(narrows), "has shape \\(120, 1\\) of cells of shape \\(120, 3\\)"),
        (solver(draws_anew), "fits other maps with the same seed"),
        (solver(centres_in_place), "changes the cells|other maps"),
        (solver(overcounts), "reports more steps than there are"),
        (solver(counts_unequally), "steps, seconds and metrics of unequal number"),
        (solver(weighs=True), "ignores weights: say weighs=False"),
        (solver(config=Careless), "option 'size' of 'mine' takes NaN"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_broken_is_said(broken: ot.Solver, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        ot.check_solver(broken)


def test_one_that_is_not_registered_keeps_it_too() -> None:
    ot.check_solver(solver(contexts=True), size=2.0)
    assert "mine" not in list(ot.SOLVERS)


def test_one_citation_may_be_a_text() -> None:
    assert solver(cites="Doe 2026").cites == ("Doe 2026",)

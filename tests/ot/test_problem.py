from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from cellot_sc import ot

# few steps: what weights do is looked at, not how good a network gets
FEW: dict[str, dict[str, Any]] = {
    "mean_shift": {},
    "gaussian": {},
    "entropic": {"epsilons": (0.02, 0.01)},
    "icnn": {"width": 16, "penalties": (10.0,), "n_steps": 20, "check_every": 10, "min_steps": 10, "batch_size": 32},
}
DRAWN = ("expectile", "monge_gap", "neural_dual", "paper")
"""Solvers that see no cells but those of batches drawn as those of "icnn" are, or nearly so: it stands for them."""
CANNOT = ("cae", "popalign", "scgen")


def kinds(n: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cells of two kinds far from each other, and which are of the first."""
    rng = np.random.default_rng(seed)
    first = np.arange(n) < share * n
    cells = rng.normal(size=(n, 2)) + np.where(first[:, None], [-4.0, 0.0], [4.0, 0.0])
    return cells.astype(np.float32), first


def problem(weight: float | None) -> ot.Problem:
    """Return a problem in which the first kind becomes three times as many, up by 2, and the weight of its cells."""
    (x, first), (x_valid, first_valid) = kinds(200, 0.5, 0), kinds(100, 0.5, 1)
    y, y_valid = (kinds(n, 0.75, seed)[0] + np.array([0, 2], np.float32) for n, seed in ((200, 2), (100, 3)))
    if weight is None:
        return ot.Problem(x, y, x_valid, y_valid)
    train, valid = (np.where(of, weight, 1.0) for of in (first, first_valid))
    return ot.Problem(
        x, y, x_valid, y_valid, source_weights=train, target_weights=np.ones(200),
        source_valid_weights=valid, target_valid_weights=np.ones(100),
    )  # fmt: skip


def leaves(fit: ot.Solution) -> list[Any]:
    return jax.tree.leaves(fit.map.state())


@pytest.mark.parametrize(
    "solver", [pytest.param(name, marks=pytest.mark.slow) if name == "icnn" else name for name in FEW]
)
def test_weights_move_the_map_and_equal_ones_do_not(solver: str):
    # all in one computation, which is compiled once
    weighed, equal, plain = ot.fit([problem(3.0), problem(1.0), problem(None)], solver, **FEW[solver])
    for a, b in zip(leaves(equal), leaves(plain), strict=True):
        np.testing.assert_array_equal(a, b)
    x = problem(None).source_valid
    moved, unmoved = (fit.map.transport(x) for fit in (weighed, plain))
    assert np.isfinite(moved).all()
    assert np.abs(moved - unmoved).max() > 1e-5


@pytest.mark.parametrize("solver", ["mean_shift", "gaussian", "entropic"])
def test_with_the_right_weights_cells_keep_their_kind(solver: str):
    cells, first = kinds(400, 0.5, 9)

    def wrong(weight: float | None) -> float:
        moved = ot.fit([problem(weight)], solver, **FEW[solver])[0].map.transport(cells)
        return float(np.linalg.norm(moved - cells - [0, 2], axis=1).mean())

    assert wrong(3.0) < 0.5
    assert wrong(None) > 1.5


@pytest.mark.parametrize("solver", CANNOT)
def test_solvers_that_cannot_weigh_say_so(solver: str):
    with pytest.raises(ValueError, match=f"solver '{solver}' cannot weigh cells. Valid: .*'icnn'"):
        ot.fit([problem(3.0)], solver)


def test_every_solver_weighs_or_says_that_it_cannot():
    assert {*FEW, *DRAWN, *CANNOT, "identity"} == set(ot.SOLVERS)
    assert {name for name, solver in ot.SOLVERS.items() if not solver.weighs} == set(CANNOT)


def test_equal_weights_are_dropped():
    assert not problem(2.0 / 2).is_weighted
    assert problem(1.0).source_weights is None
    assert problem(3.0).target_weights is None
    assert problem(3.0).is_weighted


@pytest.mark.parametrize(
    "weights", [np.ones(3), np.array([1.0, -1, 1, 1]), np.array([1, np.nan, 1, 1]), np.zeros(4), np.ones((4, 1))]
)
@pytest.mark.parametrize("cloud", ["source", "target", "source_valid", "target_valid"])
def test_impossible_weights(cloud: str, weights: np.ndarray):
    x = np.zeros((4, 2), dtype=np.float32)
    with pytest.raises(
        ValueError, match=rf"{cloud}_weights of shape .*: 4 finite numbers, none negative, not all 0, are needed"
    ):
        ot.Problem(x, x, x, x, **{f"{cloud}_weights": weights})


def test_no_validation_cells():
    x = np.zeros((4, 2), dtype=np.float32)
    assert ot.Problem(x, x, x[:0], x[:0], source_valid_weights=np.ones(0)).source_valid_weights is None

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
import scipy.sparse as sp

from cellot_sc import ot
from cellot_sc.ot._problem import tell

# few steps: what weights do is looked at, not how good a network gets
FEW: dict[str, dict[str, Any]] = {
    "mean_shift": {},
    "gaussian": {},
    "group_shift": {},
    "group_gaussian": {},
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
        ValueError, match=rf"{cloud}_weights of shape .*: 4 numbers, none negative or all 0, are needed"
    ):
        ot.Problem(x, x, x, x, **{f"{cloud}_weights": weights})


def test_no_validation_cells():
    x = np.zeros((4, 2), dtype=np.float32)
    assert ot.Problem(x, x, x[:0], x[:0], source_valid_weights=np.ones(0)).source_valid_weights is None


class Tensor:
    """Stands for the tensors of other libraries, of which numpy makes arrays by asking them."""

    def __init__(self, values: np.ndarray | None) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.values is None:
            raise RuntimeError("It is elsewhere.")
        return self.values if dtype is None else self.values.astype(dtype)


CELLS = np.arange(12.0).reshape(6, 2)


@pytest.mark.parametrize(
    "given",
    [CELLS, CELLS.astype(np.float16), CELLS.astype(np.int8), CELLS.tolist(), Tensor(CELLS), jax.numpy.asarray(CELLS)],
    ids=["float64", "float16", "int8", "list", "tensor", "jax"],
)
def test_two_clouds_of_any_kind_are_a_problem(given: Any):
    made = ot.Problem(given, given)
    for cells in (made.source, made.target):
        assert type(cells) is np.ndarray
        assert cells.dtype == np.float32
        np.testing.assert_array_equal(cells, CELLS)
    assert made.source_valid.shape == made.target_valid.shape == (0, 2)
    assert made.n_dims == 2
    [fit] = ot.fit([made], "mean_shift")
    np.testing.assert_array_equal(fit.map.transport(given), CELLS)


def test_float32_arrays_are_kept_as_they_are():
    x = CELLS.astype(np.float32)
    assert ot.Problem(x, x + 1).source is x


def test_weights_keep_their_precision_and_may_be_lists():
    lists: dict[str, Any] = {"source_weights": [1, 2, 3, 4, 5, 6], "source_contexts": [0, 1, 0, 1, 0, 1]}
    lists["target_contexts"] = lists["source_contexts"]
    made = ot.Problem(CELLS, CELLS, **lists)
    assert made.source_weights is not None
    assert made.source_weights.tolist() == [1, 2, 3, 4, 5, 6]
    assert isinstance(made.source_contexts, np.ndarray)


def spoilt(value: float) -> np.ndarray:
    cells = CELLS.copy()
    cells[[1, 4], 0] = value
    return cells


@pytest.mark.parametrize(
    ("clouds", "error", "message"),
    [
        ({"source": sp.csr_matrix(CELLS)}, TypeError, r"source is a sparse csr_matrix: .* such as source.toarray\(\)"),
        ({"target": sp.csc_array(CELLS)}, TypeError, r"target is a sparse csc_array"),
        ({"source": CELLS.astype(str)}, TypeError, "source is made of <U.*: cells of real numbers are needed"),
        ({"target": CELLS + 1j}, TypeError, "target is made of complex128"),
        ({"source_valid": [None, 1]}, TypeError, "source_valid is made of object"),
        ({"source": None}, TypeError, "source is made of object: cells of real numbers are needed"),
        ({"source": [[1, 2], [3]]}, TypeError, "source is a list that numpy makes no array of: pass one of numbers"),
        ({"target": Tensor(None)}, TypeError, "target is a Tensor that numpy makes no array of: .* It is elsewhere"),
        ({"target": np.ma.masked_greater(CELLS, 5)}, ValueError, "target is an array of which some numbers are masked"),
        ({"source_weights": [[1], [2, 3]]}, TypeError, "source_weights is a list that numpy makes no array of"),
        ({"source_weights": sp.csr_array(CELLS)}, TypeError, "source_weights is a sparse csr_array"),
        ({"source_contexts": [0] * 6}, ValueError, "source_contexts and target_contexts are needed both or neither"),
        ({"source": CELLS[:, 0]}, ValueError, r"source has shape \(6,\); \(n_cells, n_dims\) is needed.*reshape"),
        ({"target": CELLS[None]}, ValueError, r"target has shape \(1, 6, 2\)"),
        ({"source": CELLS[:, :0]}, ValueError, r"source has shape \(6, 0\)"),
        ({"target": CELLS[:, :1]}, ValueError, "target has 1 dimensions and source 2: they need the same"),
        ({"target_valid": np.ones((3, 5))}, ValueError, "target_valid has 5 dimensions and source 2"),
        ({"source": spoilt(np.nan)}, ValueError, "source holds NaN, inf or .* in 2 of 6 cells: leave these out"),
        ({"target": spoilt(-np.inf)}, ValueError, "target holds NaN, inf"),
        ({"source_valid": spoilt(1e300)}, ValueError, "source_valid holds .* numbers beyond 1e.12 in 2 of 6 cells"),
        ({"source": CELLS[:0]}, ValueError, "source has 0 cells and target 6: both need some"),
        ({"target": CELLS[:0]}, ValueError, "source has 6 cells and target 0: both need some"),
        (
            {"source_contexts": [0, 1]},
            ValueError,
            r"source_contexts of shape \(2,\), int64: 6 whole numbers, -1 or more",
        ),
        ({"target_contexts": np.zeros(6)}, ValueError, r"target_contexts of shape \(6,\), float64: 6 whole numbers"),
        ({"source_weights": ["a"] * 6}, ValueError, "source_weights of shape .*, <U1: 6 numbers, none negative"),
    ],
)
def test_what_cannot_be_a_problem_says_why(clouds: dict[str, Any], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        ot.Problem(**{"source": CELLS, "target": CELLS, **clouds})


def test_a_meter_is_told_stages_if_it_wants_to_know_them() -> None:
    class Meter:
        def __init__(self) -> None:
            self.stages: list[str] = []

        def __call__(self, done: int, total: int, metrics: dict[str, float]) -> None: ...

        def stage(self, name: str) -> None:
            self.stages.append(name)

    meter = Meter()
    tell(meter, "compiling")
    assert meter.stages == ["compiling"]
    # a function, and nobody, need not know
    tell(lambda done, total, metrics: None, "compiling")
    tell(None, "compiling")


def test_contexts_are_checked_and_named() -> None:
    x = np.zeros((3, 1))
    codes: dict[str, Any] = {"source_contexts": [0, 1, -1], "target_contexts": [2, 1, 0]}
    assert ot.Problem(x, x, **codes).context_names == (("0", "1", "2"),)
    assert ot.Problem(x, x, **codes, context_names=[["a", "b", "c"]]).context_names == (("a", "b", "c"),)
    two: dict[str, Any] = {name: np.column_stack([of, of]) for name, of in codes.items()}
    assert ot.Problem(x, x, **two).context_names == (("0", "1", "2"),) * 2
    for wrong, said in (
        ({"source_contexts": [0, 1, 2]}, "both or neither"),
        (codes | {"source_contexts": [0, 1, -2]}, "source_contexts of shape"),
        (codes | {"source_contexts": [0, 1]}, "source_contexts of shape"),
        (codes | {"target_contexts": [0.0, 1.0, 2.0]}, "target_contexts of shape"),
        (two | {"target_contexts": [0, 1, 2]}, "the same columns"),
        (codes | {"context_names": [["a", "b"]]}, r"context_names is .*; \[3\] names are needed"),
        (codes | {"context_names": ["abc"]}, r"\[3\] names are needed"),
        (codes | {"context_names": [["a", "b", 3]]}, r"\[3\] names are needed"),
        ({"context_names": [["a"]]}, "both or neither"),
        (two | {"source_valid": x, "source_valid_contexts": [0, 1, 2]}, "source_valid_contexts has shape .*columns"),
        (codes | {"source_valid": x, "source_valid_contexts": [0, 1, 5], "context_names": [["a", "b", "c"]]}, "6"),
    ):
        with pytest.raises(ValueError, match=said):
            ot.Problem(x, x, **wrong)


def test_contexts_of_no_validation_cells():
    x, codes = np.zeros((3, 2)), np.zeros((3, 1), dtype=int)
    given = ot.Problem(x, x, x[:0], x[:0], codes, codes, codes[:0], codes[:0], context_names=[["B cells"]])
    named = given.named(given.source_valid_contexts)
    assert named is not None
    assert named.shape == (0, 1)


def test_contexts_of_several_levels_without_validation_cells():
    codes, none = np.zeros((3, 2), dtype=int), np.zeros((0, 2), dtype=int)
    cells = np.ones((3, 1))
    problem = ot.Problem(cells, cells, source_contexts=codes, target_contexts=codes, source_valid_contexts=none)
    named = problem.named(problem.source_valid_contexts)
    assert named is not None
    assert named.shape == (0, 2)

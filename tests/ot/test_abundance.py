from __future__ import annotations

import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._abundance import CAP, MIN_CELLS, matched

CENTRES = np.array([[0.0, 0, 0], [6, 0, 0], [0, 6, 0], [0, 0, 6]])
SHIFT = np.array([1.0, -1.0, 0.5])


def cloud(counts: list[int], shift: np.ndarray = SHIFT, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cells of four kinds, and which they are."""
    kinds = np.repeat(np.arange(4), counts)
    rng = np.random.default_rng(seed)
    return (CENTRES[kinds] + np.broadcast_to(shift, (4, 3))[kinds] + rng.normal(size=(len(kinds), 3))), kinds


def shares(kinds: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    counts = np.bincount(kinds, weights, 4)
    return counts / counts.sum()


def test_weights_make_kinds_equally_abundant() -> None:
    x, kinds = cloud([100, 100, 100, 100], np.zeros(3), seed=0)
    y, treated = cloud([160, 40, 160, 40], seed=1)
    found = matched(ot.Problem(x, y, x[::4], y[::4]))
    apart = [
        shares(treated, weights) - shares(kinds, ours)
        for weights, ours in ((None, None), (found.target_weights, found.source_weights))
    ]
    assert np.abs(apart[0]).max() > 0.14
    assert np.abs(apart[1]).max() < 0.03
    assert found.source_weights is not None
    assert found.target_weights is not None
    # cells that choose between maps count as the others of their kind do
    np.testing.assert_array_equal(found.target_valid_weights, found.target_weights[::4])
    np.testing.assert_array_equal(found.source_valid_weights, found.source_weights[::4])


def test_the_map_of_all_cells_is_that_of_a_kind_again() -> None:
    x, kinds = cloud([400, 100, 400, 100], np.zeros(3), seed=0)
    y, _ = cloud([100, 400, 100, 400], seed=1)
    problem = ot.Problem(x, y)
    errors = []
    for given in (problem, matched(problem)):
        moved = ot.fit([given], "gaussian")[0].map.transport(x) - x
        errors.append(max(np.abs(moved[kinds == k].mean(axis=0) - SHIFT).max() for k in range(4)))
    assert errors[0] > 1
    assert errors[1] < 0.4


@pytest.mark.parametrize("step", [0.0, 3.0, 8.0], ids=["no kind", "a kind a little", "a kind far"])
def test_a_response_of_one_kind_is_no_change_of_abundance(step: float) -> None:
    x, _ = cloud([100, 100, 100, 100], np.zeros(3), seed=0)
    y, kinds = cloud([100, 100, 100, 100], seed=1)
    y[kinds == 1] += step * np.array([0.0, 0.7, 0.7])
    problem = ot.Problem(x, y)
    assert matched(problem) is problem


@pytest.mark.parametrize("step", [40.0, 100.0], ids=["one half near", "nothing near"])
def test_half_the_cells_far_away(step: float) -> None:
    x, _ = cloud([100, 100, 100, 100], np.zeros(3), seed=0)
    y, _ = cloud([100, 100, 100, 100], seed=1)
    y[::2] += step
    problem = ot.Problem(x, y)
    found = matched(problem)
    if step == 100:
        assert found is problem
    else:
        assert found.target_weights is not None
        assert np.isfinite(found.target_weights).all()


def test_few_cells_and_cells_on_one_spot_are_left_alone() -> None:
    x, _ = cloud([60, 10, 10, 10], np.zeros(3), seed=0)
    y, _ = cloud([10, 60, 60, 10], seed=1)
    assert len(x) < MIN_CELLS
    for problem in (ot.Problem(x, y), ot.Problem(np.ones((200, 2)), np.zeros((200, 2)))):
        assert matched(problem) is problem


def test_fewer_kinds_of_cells_than_clusters() -> None:
    x = np.repeat([[0.0, 0], [8, 0], [0, 8]], [150, 50, 100], axis=0)
    y = np.repeat([[1.0, 0], [9, 0], [1, 8]], [50, 150, 100], axis=0)
    found = matched(ot.Problem(x, y))
    mean = np.average(y, axis=0, weights=found.target_weights) - np.average(x, axis=0, weights=found.source_weights)
    np.testing.assert_allclose(mean, [1, 0], atol=0.5)


def test_weights_that_are_given_are_heeded() -> None:
    x, kinds = cloud([100, 100, 100, 100], np.zeros(3), seed=0)
    y, treated = cloud([160, 40, 160, 40], seed=1)
    known = np.array([0.625, 2.5, 0.625, 2.5])[treated]
    problem = ot.Problem(x, y, target_weights=known)
    assert matched(problem) is problem
    # a cell that counts nothing still does
    none = (kinds != 3).astype(float)
    found = matched(ot.Problem(x, y, source_weights=none))
    assert found.source_weights is not None
    assert (found.source_weights[kinds == 3] == 0).all()
    assert (found.source_weights[kinds != 3] > 0).all()


def test_weights_are_capped_and_the_same_again() -> None:
    x, _ = cloud([600, 10, 600, 10], np.zeros(3), seed=0)
    y, _ = cloud([10, 600, 10, 600], seed=1)
    problem = ot.Problem(x, y)
    found, again = matched(problem, seed=2), matched(problem, seed=2)
    for name in ("source_weights", "target_weights"):
        weights = getattr(found, name)
        np.testing.assert_array_equal(weights, getattr(again, name))
        assert weights.max() <= CAP + 1e-9
        assert weights.min() >= 1 / CAP - 1e-9

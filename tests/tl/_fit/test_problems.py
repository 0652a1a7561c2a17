from __future__ import annotations

import numpy as np
import pytest

from cellot_sc.ot import Problem
from cellot_sc.tl._fit.problems import problems

N = 240
RNG = np.random.default_rng(0)
LABELS = np.repeat(["control", "a", "b"], N // 3).astype(object)
PARTS = RNG.choice(["train", "train", "train", "valid", "test", "ood"], N).astype(object)
GROUPS = RNG.integers(3, size=N)
# cells that say who they are
X = np.arange(N, dtype=np.float32)[:, None]


def members(cells: np.ndarray) -> np.ndarray:
    return cells[:, 0].astype(int)


def positions(label: str, part: str, kept: tuple[int, ...] = (0, 1, 2), groups: np.ndarray = GROUPS) -> np.ndarray:
    return np.flatnonzero((LABELS == label) & (PARTS == part) & np.isin(groups, kept))


def made(groups: np.ndarray | None = None) -> list[Problem]:
    return problems(X, LABELS, PARTS, groups, "control", ["b", "a"])


def test_clouds_are_those_of_label_and_split():
    for name, problem in zip(["b", "a"], made(), strict=True):
        np.testing.assert_array_equal(members(problem.source), positions("control", "train"))
        np.testing.assert_array_equal(members(problem.target), positions(name, "train"))
        np.testing.assert_array_equal(members(problem.source_valid), positions("control", "valid"))
        np.testing.assert_array_equal(members(problem.target_valid), positions(name, "valid"))
        assert problem.source_groups is None
        assert problem.target_groups is None


def test_control_cells_are_kept_once():
    first, second = made()
    assert first.source is second.source
    assert first.source_valid is second.source_valid
    first, second = made(GROUPS)
    assert first.source is second.source


def test_groups_are_those_of_the_cells():
    for problem in made(GROUPS):
        assert problem.source_groups is not None
        assert problem.target_groups is not None
        np.testing.assert_array_equal(problem.source_groups, GROUPS[members(problem.source)])
        np.testing.assert_array_equal(problem.target_groups, GROUPS[members(problem.target)])


def test_groups_that_only_one_condition_has_are_left_out():
    groups = GROUPS.copy()
    # no train cell of "a" in group 2, but validation cells; and a group of "a" alone
    groups[positions("a", "train", (2,))] = 3
    b, a = made(groups)
    np.testing.assert_array_equal(members(a.source), positions("control", "train", (0, 1), groups))
    np.testing.assert_array_equal(members(a.target), positions("a", "train", (0, 1), groups))
    np.testing.assert_array_equal(members(a.target_valid), positions("a", "valid", (0, 1), groups))
    # the other target has it
    np.testing.assert_array_equal(members(b.source), positions("control", "train", (0, 1, 2), groups))


@pytest.mark.parametrize(("label", "what"), [("control", "control 'control'"), ("a", "target 'a'")])
def test_too_few_train_cells(label: str, what: str):
    parts = PARTS.copy()
    parts[np.flatnonzero(LABELS == label)] = "test"
    parts[np.flatnonzero(LABELS == label)[:9]] = "train"
    with pytest.raises(ValueError, match=f"{what} has 9 train cells; at least 10 are needed"):
        problems(X, LABELS, parts, None, "control", ["b", "a"])


def test_weights_are_those_of_the_cells_and_shared_with_them():
    weights = np.random.default_rng(1).random(N)
    first, second = problems(X, LABELS, PARTS, None, "control", ["b", "a"], weights)
    for cloud in ("source", "target", "source_valid", "target_valid"):
        np.testing.assert_array_equal(getattr(second, f"{cloud}_weights"), weights[members(getattr(second, cloud))])
    assert first.source_weights is second.source_weights
    assert made()[0].source_weights is None

from __future__ import annotations

import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._composition import CAP, MIN_VALID, composition, within


def problem(source: list[int], target: list[int], **kwargs: np.ndarray) -> ot.Problem:
    return ot.Problem(
        np.zeros((len(source), 1)),
        np.zeros((len(target), 1)),
        source_contexts=np.array(source),
        target_contexts=np.array(target),
        **kwargs,
    )


def test_weights_give_the_target_the_shares_of_the_source() -> None:
    found = composition(problem([0] * 30 + [1] * 10, [0] * 20 + [1] * 60))
    assert found.source_weights.tolist() == [1.0] * 40
    np.testing.assert_allclose(found.target_weights[:20], 3.0)
    np.testing.assert_allclose(found.target_weights[20:], 1 / 3)
    assert (found.n_source.tolist(), found.n_target.tolist()) == ([30, 10], [20, 60])
    assert found.differs
    assert found.capped.size == 0


def test_shares_that_are_equal_do_not_differ() -> None:
    found = composition(problem([0] * 30 + [1] * 10, [0] * 62 + [1] * 18))
    assert not found.differs
    assert found.pvalue > 0.05


def test_what_is_on_one_side_only_does_not_count() -> None:
    found = composition(problem([0, 0, 1, 2, 2, -1], [0, 2, 2, 3]))
    assert found.shared.tolist() == [0, 2]
    assert found.source_weights.tolist() == [1, 1, 0, 1, 1, 0]
    assert found.target_weights.tolist() == pytest.approx([1.5, 0.75, 0.75, 0])
    assert found.n_unlabelled == (1, 0)


def test_cells_without_a_context_are_balanced_like_one() -> None:
    found = composition(problem([0] * 5 + [-1] * 5, [0] * 8 + [-1] * 2))
    assert found.contexts.tolist() == [0]
    np.testing.assert_allclose(found.target_weights, [0.625] * 8 + [2.5] * 2)


def test_weights_are_capped() -> None:
    found = composition(problem([0] * 50 + [1] * 50, [0] * 999 + [1]))
    assert found.target_weights.max() == CAP
    assert found.capped.tolist() == [1]


def test_weights_of_cells_count() -> None:
    weights = np.array([1.0, 3.0])
    found = composition(problem([0, 1], [0, 1], target_weights=weights))
    np.testing.assert_allclose(found.target_weights, [2.0, 2.0])


def test_no_context_on_both_sides_is_refused() -> None:
    with pytest.raises(ValueError, match="no context has cells on both sides"):
        composition(problem([0, 1, -1], [2, 3, -1]))


def test_what_is_left_within_contexts() -> None:
    n = MIN_VALID
    x, codes = np.arange(4.0 * n)[:, None], np.repeat([0, 1, -1, 1], n)
    weights = np.where(np.arange(4 * n) == 0, 0.0, 1 + np.arange(4 * n) % 2)
    given = ot.Problem(
        source=x,
        target=-x,
        source_valid=x[: 2 * n - 1],
        target_valid=-x[: 2 * n],
        source_contexts=codes,
        target_contexts=codes,
        source_valid_contexts=codes[: 2 * n - 1],
        target_valid_contexts=codes[: 2 * n],
        source_weights=weights,
    )
    found = within(given, ot.MeanShiftMap(np.full(1, 100.0)), ["0", "1"])
    # the other has one validation cell too few
    assert [*found] == ["0"]
    # moved, without the cell that does not count
    np.testing.assert_array_equal(found["0"].source, x[1:n] + 100)
    np.testing.assert_array_equal(found["0"].target, -x[:n])
    np.testing.assert_array_equal(found["0"].source_weights, weights[1:n])
    assert found["0"].target_weights is None
    np.testing.assert_array_equal(found["0"].source_valid, x[:n] + 100)
    np.testing.assert_array_equal(found["0"].target_valid, -x[:n])

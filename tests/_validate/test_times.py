from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellot_sc import _validate

LABELS, VALUES = ["0", "2", "6"], [0.0, 2.0, 6.0]


def timed(adata: AnnData, times: Any) -> AnnData:
    adata.obs["time"] = times
    return adata


class TestOrder:
    def test_of_numbers_is_theirs(self, adata: AnnData) -> None:
        assert _validate.time_order(timed(adata, [10, 2, 2, 0, 10]), "time", None) == (["0", "2", "10"], [0, 2, 10])

    def test_of_ordered_categories_is_theirs(self, adata: AnnData) -> None:
        stages = pd.Categorical(
            ["late", "early", "early", "mid", "late"], ["early", "mid", "none", "late"], ordered=True
        )
        assert _validate.time_order(timed(adata, stages), "time", None) == (["early", "mid", "late"], [0, 1, 2])

    def test_that_is_given(self, adata: AnnData) -> None:
        names = timed(adata, ["b", "a", "a", "c", "b"])
        assert _validate.time_order(names, "time", ["c", "a"]) == (["c", "a"], [0, 1])
        assert _validate.time_order(timed(adata, [0.0, 1, 2, 2, 1]), "time", [0, 2]) == (["0.0", "2.0"], [0, 2])

    @pytest.mark.parametrize(
        ("times", "order", "words"),
        [
            (["b", "a", "a", "c", "b"], None, "names that are no numbers and have no order"),
            (["b", "a", "a", "c", "b"], ["a", "a"], "order names a time twice"),
            (["b", "a", "a", "c", "b"], ["a"], "There are 1 times"),
            (["b", "a", "a", "c", "b"], ["a", "d"], "order value of .* 'd' is unknown"),
            ([0, 1, 2, 2, 1], [2, 0], "numbers that do not increase"),
            ([0, 1, np.nan, 2, 1], None, "is missing for 1 cells"),
        ],
    )
    def test_that_cannot_be_told(self, adata: AnnData, times: Any, order: Any, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            _validate.time_order(timed(adata, times), "time", order)


@pytest.mark.parametrize(("time", "index"), [("0", 0), (2, 1), (2.0, 1), ("6.0", 2)])
def test_index(time: Any, index: int) -> None:
    assert _validate.time_index(time, LABELS, VALUES, what="source") == index
    with pytest.raises(ValueError, match="source 3 is unknown"):
        _validate.time_index(3, LABELS, VALUES, what="source")


@pytest.mark.parametrize(("t", "value"), [("2", 2), (3, 3), ("4.5", 4.5), (0, 0)])
def test_value(t: Any, value: float) -> None:
    assert _validate.time_value(t, LABELS, VALUES) == value


def test_no_value() -> None:
    with pytest.raises(ValueError, match="t is 7; a time between 0 and 6 is needed: maps do not extrapolate"):
        _validate.time_value(7, LABELS, VALUES)
    with pytest.raises(ValueError, match="t 'late' is neither a number nor one of the times"):
        _validate.time_value("late", LABELS, VALUES)


def test_ends_of_a_course() -> None:
    _validate.after_first("2", LABELS)
    _validate.before_last("2", LABELS)
    with pytest.raises(ValueError, match=r"at '0' is the first time: .* \(2, 6\)"):
        _validate.after_first("0", LABELS)
    with pytest.raises(ValueError, match=r"source '6' is the last time: .* \(0, 2\)"):
        _validate.before_last("6", LABELS)


def test_cells_of_other_times() -> None:
    _validate.in_course(np.array([0, 2]), LABELS)
    with pytest.raises(ValueError, match=r"1 of the chosen cells were taken at none of the times of the course \(0, 2"):
        _validate.in_course(np.array([0, -1]), LABELS)


def test_labels_to_read_fates_from() -> None:
    _validate.labelled(1, "cell_type", "6")
    with pytest.raises(ValueError, match="No cell of time '6' has a label in adata.obs"):
        _validate.labelled(0, "cell_type", "6")


def test_a_time_between_the_others() -> None:
    _validate.time_between(LABELS)
    with pytest.raises(ValueError, match="has the times 0, 2 only"):
        _validate.time_between(LABELS[:2])


def test_fitted_here() -> None:
    _validate.fitted_here(True, "icnn")
    with pytest.raises(ValueError, match="made by moscot, and cannot be fitted again"):
        _validate.fitted_here(False, "moscot")


def test_out_of_step() -> None:
    assert _validate.out_of_step(1, "chosen") == 1
    assert _validate.out_of_step("chosen", "chosen") is None
    for wrong in (-0.1, 1.01, np.nan, True, "0.5", None, [0.5]):
        with pytest.raises(ValueError, match=r"a number in \[0, 1\] or 'chosen' is needed"):
            _validate.out_of_step(wrong, "chosen")

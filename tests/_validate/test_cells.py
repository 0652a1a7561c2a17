from __future__ import annotations

from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellot_sc import _validate

NAMES = [f"cell_{i}" for i in range(5)]
MASK = [False, True, False, False, True]


def test_unique_obs_names(adata: AnnData) -> None:
    _validate.unique_obs_names(adata)
    with pytest.warns(UserWarning, match="not unique"):
        twice = ad.concat([adata, adata[:2]])
    with pytest.raises(ValueError, match=r"not unique \(\['cell_0', 'cell_1'\] \.\.\.\): call adata\.obs_names_make"):
        _validate.unique_obs_names(twice)


@pytest.mark.parametrize(
    ("cells", "positions"),
    [
        pytest.param(MASK, [1, 4], id="mask"),
        pytest.param(np.array(MASK, dtype=object), [1, 4], id="mask of objects"),
        pytest.param(pd.array(MASK, dtype="boolean"), [1, 4], id="nullable mask"),
        pytest.param(pd.Categorical(MASK), [1, 4], id="mask of categories"),
        pytest.param(pd.Series([True] * 5), [0, 1, 2, 3, 4], id="series without names"),
        pytest.param(pd.Series(MASK, index=NAMES), [1, 4], id="series"),
        pytest.param(pd.Series(MASK, index=NAMES).iloc[::-1], [1, 4], id="series in another order"),
        pytest.param(pd.Series(MASK, index=NAMES, dtype="boolean").iloc[[2, 4, 0, 1, 3]], [1, 4], id="nullable series"),
        pytest.param(["cell_3", "cell_0"], [3, 0], id="names"),
        pytest.param(pd.Index(["cell_3", "cell_0"]), [3, 0], id="index"),
        pytest.param(pd.Categorical(["cell_3", "cell_0"]), [3, 0], id="categories"),
        pytest.param(pd.array(["cell_3", "cell_0"], dtype="string"), [3, 0], id="strings"),
        pytest.param(pd.Series(["cell_3", "cell_0"], index=["a", "b"]), [3, 0], id="series of names"),
        pytest.param((name for name in ["cell_3", "cell_0"]), [3, 0], id="generator"),
        pytest.param("cell_3", [3], id="name"),
        pytest.param([4, 0, -2], [4, 0, 3], id="positions"),
        pytest.param(pd.Series([4, 0], dtype="Int64"), [4, 0], id="nullable positions"),
        pytest.param(np.array([4, 0], dtype=np.uint8), [4, 0], id="small positions"),
        pytest.param(range(3), [0, 1, 2], id="range"),
        pytest.param(slice(None, None, 2), [0, 2, 4], id="slice"),
        pytest.param(np.int64(3), [3], id="position"),
    ],
)
def test_are_those_of_the_chosen_cells(adata: AnnData, cells: object, positions: list[int]) -> None:
    assert _validate.cell_positions(adata, cells).tolist() == positions


@pytest.mark.parametrize(
    ("cells", "error", "match"),
    [
        pytest.param([True], ValueError, "mask of 1 cells; adata has 5", id="short mask"),
        pytest.param(pd.Series([True] * 6), ValueError, "mask of 6 cells; adata has 5", id="long mask"),
        pytest.param([False] * 5, ValueError, "chooses no cell", id="empty mask"),
        pytest.param(slice(5, 5), ValueError, "chooses no cell", id="empty slice"),
        pytest.param([], ValueError, "at least one cell", id="nothing"),
        pytest.param([[1]], ValueError, "one dimension is needed", id="lists"),
        pytest.param(np.ones((5, 1), dtype=bool), ValueError, r"shape \(5, 1\)", id="matrix"),
        pytest.param(pd.Series(MASK, index=list("abcde")), ValueError, "index it by adata.obs_names", id="other names"),
        pytest.param(pd.Series(MASK, index=[4, 2, 0, 1, 3]), ValueError, "index it by adata.obs_names", id="numbers"),
        pytest.param(pd.array([True, None] * 2 + [True], dtype="boolean"), ValueError, "NA.* for 2 entries", id="NA"),
        pytest.param(["cell_0", None], ValueError, "NA.* for 1 entries", id="no name"),
        pytest.param([1, 2, 1], ValueError, "cell 'cell_1' twice", id="position twice"),
        pytest.param([4, -1], ValueError, "cell 'cell_4' twice", id="position twice, once from the end"),
        pytest.param(["cell_0"] * 2, ValueError, "cell 'cell_0' twice", id="name twice"),
        pytest.param(slice(None, None, 0), ValueError, "a step other than 0", id="no step"),
        pytest.param([0, 5], IndexError, "position 5; adata has 5 cells", id="beyond"),
        pytest.param([2**63], IndexError, "position 9223372036854775808", id="far beyond"),
        pytest.param([-6], IndexError, "position -6", id="before"),
        pytest.param(["cell_0", "cel_1"], KeyError, "cell 'cel_1' is not.*Did you mean 'cell_1'", id="unknown"),
        pytest.param([0.0, 1.0], TypeError, "cells holds floating values", id="floats"),
        pytest.param(["cell_0", 1], TypeError, "cells holds mixed-integer values", id="names and positions"),
        pytest.param({"cell_0"}, TypeError, "cells is of type set", id="set"),
        pytest.param({"cell_0": True}, TypeError, "cells is of type dict", id="dict"),
        pytest.param(True, TypeError, "cells is of type bool", id="bool"),
        pytest.param(1.5, TypeError, "cells is of type float", id="float"),
        pytest.param(slice("cell_0", "cell_2"), TypeError, "a slice of positions is needed", id="slice of names"),
    ],
)
def test_bad_choice(adata: AnnData, cells: object, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        _validate.cell_positions(adata, cells)


class TestNumbersAsNames:
    """An index of numbers may be the names of cells, or no more than what pandas counts rows by."""

    def named(self, names: list[int]) -> AnnData:
        return AnnData(np.zeros((5, 1), dtype=np.float32), obs=pd.DataFrame(index=list(map(str, names))))

    def test_in_the_order_of_the_cells(self) -> None:
        assert _validate.cell_positions(self.named([0, 1, 2, 3, 4]), pd.Series(MASK)).tolist() == [1, 4]

    def test_in_another_order(self) -> None:
        mask = pd.Series(MASK).iloc[::-1]
        assert _validate.cell_positions(self.named([0, 1, 2, 3, 4]), mask).tolist() == [1, 4]

    def test_that_could_be_either(self) -> None:
        with pytest.raises(ValueError, match="numbers, by which cells in another order are named"):
            _validate.cell_positions(self.named([4, 3, 2, 1, 0]), pd.Series(MASK))


def test_names_that_occur_twice(adata: AnnData) -> None:
    adata.obs_names = ["a", "a", "b", "c", "d"]
    names: Any = ["a"]
    with pytest.raises(ValueError, match="obs_names are not unique"):
        _validate.cell_positions(adata, names)
    with pytest.raises(ValueError, match="whose index is not that of the cells"):
        _validate.cell_positions(adata, pd.Series(MASK, index=adata.obs_names).iloc[::-1])
    # in their own order, and by position, no name is looked up
    assert _validate.cell_positions(adata, pd.Series(MASK, index=adata.obs_names)).tolist() == [1, 4]
    assert _validate.cell_positions(adata, [1, 0]).tolist() == [1, 0]

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellot_sc import _validate


def cells(doses: list[object]) -> AnnData:
    return AnnData(
        np.zeros((len(doses), 1), dtype=np.float32),
        obs=pd.DataFrame({"dose": doses}, index=[f"c{i}" for i in range(len(doses))]),
    )


@pytest.mark.parametrize(
    ("doses", "unit"),
    [
        ([0, 1, 10], ""),
        ([np.nan, 1.0, 10.0], ""),
        (["0", "1", "1e1"], ""),
        ([None, "1 uM", "10uM"], "uM"),
        (["NA", "1.0 µM", "10 μM"], "µM"),
        (["", "1 ng/ml", "10ng/ml"], "ng/ml"),
        ([0, 1, 10 * (1 + 1e-15)], ""),
    ],
)
def test_doses_and_their_unit(doses: list[object], unit: str) -> None:
    values, found = _validate.dose_values(cells(doses), "dose", np.array([True, False, False]))
    assert values.tolist() == [0, 1, 10] and found == unit


@pytest.mark.parametrize(
    ("doses", "message"),
    [
        ([0, np.nan, 1], "is missing for 1 treated cells"),
        (["0", "1 uM", "10 nM"], "several units"),
        (["0", "1 uM", "10"], "several units .none and 'uM'"),
        ([0, -1, 1], "not negative"),
        ([0, np.inf, 1], "finite"),
        (["0", "high", "1"], "'high'"),
        (["0", "0,3 uM", "1 uM"], "'0,3 uM'.* Decimals are written with a point"),
        (["0", "1/10", "1"], "'1/10'"),
        ([5, 1, 10], "is 5 for cells of control"),
    ],
)
def test_doses_that_are_refused(doses: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _validate.dose_values(cells(doses), "dose", np.array([True, False, False]))


def test_a_dose_that_was_given() -> None:
    assert (
        _validate.dose_value("2 uM", "uM")
        == _validate.dose_value(2, "uM")
        == _validate.dose_value(np.float32(2), "")
        == 2
    )
    with pytest.raises(ValueError, match="is in 'uM', and doses are in no unit"):
        _validate.dose_value("2 uM", "")
    with pytest.raises(ValueError, match="three different numbers above 0"):
        _validate.several_doses([1, 1, 2])

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellot_sc.tl._effects.dose_conditions import Conditions


def cells(perturbations: list[str], doses: list[object]) -> AnnData:
    obs = pd.DataFrame({"drug": perturbations, "dose": doses}, index=[f"c{i}" for i in range(len(doses))])
    return AnnData(np.zeros((len(doses), 1), dtype=np.float32), obs=obs)


def test_cells_of_dose_0_are_untreated_ones() -> None:
    adata = cells(["none", "a", "a", "b"], [np.nan, 0.0, 10.0, 2.5])
    found = Conditions.of(adata, "drug", "dose", "none", None)
    assert found.targets == ["a", "b"]
    assert found.labels.tolist() == ["none", "none", "a 10", "b 2.5"]
    assert found.doses("a") == {0.0: "none", 10.0: "a 10"}


def test_without_untreated_cells_the_lowest_dose_is_the_first() -> None:
    found = Conditions.of(cells(["a", "a", "b"], ["1 uM", "10 uM", "3 uM"]), "drug", "dose", None, None)
    assert found.unit == "uM" and found.targets == ["a", "b"]
    assert found.doses("a") == {1.0: "a 1 uM", 10.0: "a 10 uM"}


def test_how_to_do_without_untreated_cells_is_said() -> None:
    with pytest.raises(ValueError, match="'control' is not a category .* control=None starts from the lowest dose"):
        Conditions.of(cells(["a", "a"], [1, 10]), "drug", "dose", "control", None)

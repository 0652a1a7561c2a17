from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellot_sc import _validate

LABELS = np.array(["control", "control", "drug", "drug"], dtype=object)
TAKEN = {"drug": "perturbation_key"}


@pytest.fixture
def cells() -> AnnData:
    obs = {
        "cell_type": pd.Categorical(["B", None, "B", "T"]),
        "patient": ["p1", "p2", "p1", "p2"],
        "line": ["A", "A", "C", "C"],
        "unknown": pd.Categorical([None] * 4),
        "drug": LABELS,
    }
    return AnnData(np.zeros((4, 2)), obs=pd.DataFrame(obs, index=list("abcd")))


def columns(cells: AnnData, given: object) -> tuple[str, ...]:
    return _validate.context_columns(cells, given, LABELS, "control", ["drug"], taken=TAKEN)  # type: ignore[arg-type]


def test_columns_of_contexts(cells: AnnData) -> None:
    assert columns(cells, None) == ()
    assert columns(cells, "cell_type") == ("cell_type",)
    assert columns(cells, ["patient", "cell_type"]) == ("patient", "cell_type")
    assert _validate.context_labels(cells, "cell_type").tolist() == ["B", "", "B", "T"]


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ("celltype", KeyError, r"context 'celltype' is not in adata.obs. Did you mean 'cell_type'\?"),
        (["patient", "patient"], ValueError, "context names one twice"),
        ([], ValueError, "context is empty: give at least one column of adata.obs, or None"),
        ("line", ValueError, "no category of context 'line' has both cells of 'control' and treated ones"),
        (["patient", "line"], ValueError, "no category of context 'line'"),
        ("unknown", ValueError, "no category of context 'unknown' has both"),
        ("drug", ValueError, "context 'drug' is the perturbation_key: give a column of what cells are"),
    ],
)
def test_what_is_no_context(cells: AnnData, given: object, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        columns(cells, given)

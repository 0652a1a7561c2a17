from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import stats

import cellot_sc as cs


@pytest.fixture(scope="module")
def gene(fitted: AnnData) -> str:
    """The gene that changes most."""
    changes = fitted.uns["simulation"]["effects"].set_index("gene")["log_fold_change"]
    return str(changes.abs().idxmax())


def test_cells_of_the_type_that_responds_are_called(fitted: AnnData, gene: str):
    calls = cs.tl.responders(fitted, gene)
    assert calls.columns.tolist() == ["cell", "perturbation", "feature", "effect", "pvalue", "responds"]
    assert len(calls) == 2 * 200
    of_type = fitted.obs["cell_type"].astype(str).reindex(calls["cell"]).to_numpy()
    share = calls["responds"].groupby([calls["perturbation"], of_type]).mean()
    assert share["drug_a", "type_0"] > 0.9
    assert share["drug_a"].drop("type_0").mean() < share["drug_a", "type_0"] / 2
    assert share["drug_b"].mean() < 0.05


def test_calls_are_adjusted_p_values(fitted: AnnData, gene: str):
    calls = cs.tl.responders(fitted, [gene, fitted.var_names[0]], targets="drug_a")
    for _, rows in calls.groupby("feature"):
        expected = stats.false_discovery_control(rows["pvalue"]) <= 0.05
        np.testing.assert_array_equal(rows["responds"], expected)
    alone = cs.tl.responders(fitted, gene, targets="drug_a")
    pd.testing.assert_frame_equal(calls[calls["feature"] == gene].reset_index(drop=True), alone)


def test_errors(fitted: AnnData):
    with pytest.raises(KeyError, match="feature 'gene_99' is not there. Valid: 'gene_"):
        cs.tl.responders(fitted, "gene_99")
    with pytest.raises(ValueError, match="target 'drug_c' is unknown"):
        cs.tl.responders(fitted, "gene_01", targets="drug_c")

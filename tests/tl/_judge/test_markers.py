from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from scipy.stats import ttest_ind

import cellot_sc as cs
from cellot_sc.tl._judge import markers


@pytest.mark.parametrize("is_sparse", [True, False])
def test_order_is_that_of_welch_tests(simulated: AnnData, is_sparse: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(markers, "GENES_AT_ONCE", 7)
    adata = simulated
    dense = adata.X.toarray()
    treated, control = (
        (adata.obs["perturbation"] == name).to_numpy() & (np.arange(adata.n_obs) % 2 == 0)
        for name in ("drug_a", "control")
    )
    order = markers.in_order(adata.X if is_sparse else dense, treated, control)
    x = dense.astype(np.float64)
    t = ttest_ind(x[treated], x[control], equal_var=False).statistic
    np.testing.assert_allclose(np.abs(t)[order], np.sort(np.abs(t))[::-1], rtol=1e-6)
    assert sorted(order) == list(range(adata.n_vars))


def test_judged_cells_do_not_choose_their_markers(simulated: AnnData):
    adata = simulated.copy()
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=8)
    cs.tl.cellot(adata, solver="mean_shift")
    table = cs.tl.evaluate(adata, space="genes", n_markers=[3, 10], metrics="l2_means", n_boot=0)
    # the markers are those of train cells even where nothing of test cells can be told
    train = (adata.obs["split"] == "train").to_numpy()
    labels = adata.obs["perturbation"].to_numpy()
    for name in ("drug_a", "drug_b"):
        order = markers.in_order(adata.X, train & (labels == name), train & (labels == "control"))
        test = [
            cs.pp.decode(adata, adata.obsm["X_cellot"][((adata.obs["split"] == "test") & (labels == of)).to_numpy()])
            for of in ("control", name)
        ]
        for k in (3, 10):
            rows = table[(table["perturbation"] == name) & (table["model"] == "identity") & (table["n_features"] == k)]
            expected = np.linalg.norm(test[0][:, order[:k]].mean(0) - test[1][:, order[:k]].mean(0))
            assert rows["value"].item() == pytest.approx(expected, rel=1e-5)

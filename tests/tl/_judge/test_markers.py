from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from anndata import AnnData
from scipy.stats import ttest_ind

import cellot_sc as cs
from cellot_sc import _chunks
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
    clouds = {"drug_a": treated, "control": control}
    order = markers.in_order(adata.X if is_sparse else dense, clouds, "control", ["drug_a"])["drug_a"]
    x = dense.astype(np.float64)
    t = ttest_ind(x[treated], x[control], equal_var=False).statistic
    np.testing.assert_allclose(np.abs(t)[order], np.sort(np.abs(t))[::-1], rtol=1e-6)
    assert sorted(order) == list(range(adata.n_vars))
    monkeypatch.setattr(_chunks, "MAX_VALUES", 60 * 50)
    far = _chunks.stored(Rows(adata.X.tocsr() if is_sparse else dense), what="X")
    np.testing.assert_array_equal(markers.in_order(far, clouds, "control", ["drug_a"])["drug_a"], order)


class Rows:
    """A data set that is read by rows."""

    def __init__(self, x: Any) -> None:
        self.x, self.shape, self.dtype, self.chunks = x, x.shape, x.dtype, (64, x.shape[1])

    def __getitem__(self, rows: Any) -> Any:
        return self.x[rows]


def test_judged_cells_do_not_choose_their_markers(simulated: AnnData):
    adata = simulated.copy()
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=8)
    cs.tl.cellot(adata, solver="mean_shift")
    table = cs.tl.evaluate(adata, space="genes", n_markers=[3, 10], metrics="l2_means", n_boot=0)
    # the markers are those of train cells even where nothing of test cells can be told
    train = (adata.obs["split"] == "train").to_numpy()
    labels = adata.obs["perturbation"].to_numpy()
    clouds = {name: train & (labels == name) for name in ("control", "drug_a", "drug_b")}
    orders = markers.in_order(adata.X, clouds, "control", ["drug_a", "drug_b"])
    for name, order in orders.items():
        test = [
            cs.pp.decode(adata, adata.obsm["X_cellot"][((adata.obs["split"] == "test") & (labels == of)).to_numpy()])
            for of in ("control", name)
        ]
        for k in (3, 10):
            rows = table[(table["perturbation"] == name) & (table["model"] == "identity") & (table["n_features"] == k)]
            expected = np.linalg.norm(test[0][:, order[:k]].mean(0) - test[1][:, order[:k]].mean(0))
            assert rows["value"].item() == pytest.approx(expected, rel=1e-5)

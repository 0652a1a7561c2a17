from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs


class TestSpatialEffects:
    @staticmethod
    def table() -> pd.DataFrame:
        rows = [(name, f"gene_{i:02d}", i / 10, 0.04 * (i < 4)) for name in ("drug_a", "drug_b") for i in range(5)]
        return pd.DataFrame(rows, columns=["perturbation", "feature", "moran_i", "pvalue_adj"])

    def test_the_most_patterned_with_their_autocorrelation(self, placed: AnnData) -> None:
        axes = cs.pl.spatial_effects(placed, self.table(), targets="drug_a", show=False)
        assert list(axes) == [("drug_a", f"gene_{i:02d}") for i in (4, 3, 2)]
        assert [ax.texts[0].get_text() for ax in axes.values()] == [
            "Moran's I = 0.40 *", "Moran's I = 0.30 *", "Moran's I = 0.20 *",
        ]  # fmt: skip

    def test_places_and_changes(self, placed: AnnData) -> None:
        [ax] = cs.pl.spatial_effects(placed, targets="drug_a", features="gene_03", show=False).values()
        control = (placed.obs["perturbation"] == "control").to_numpy()
        drawn: Any = ax.collections[0]
        before = cs.pp.decode(placed, placed.obsm["X_cellot"][control])
        change = (np.asarray(cs.tl.predict(placed, "drug_a").X) - before)[:, 3]
        order = np.argsort(np.abs(change), kind="stable")
        np.testing.assert_allclose(np.asarray(drawn.get_array()), change[order], atol=1e-4)
        assert {tuple(place) for place in np.asarray(drawn.get_offsets())} == {
            tuple(place) for place in placed.obsm["spatial"][control]
        }
        assert ax.get_aspect() == 1

    def test_without_a_table_those_that_change_most(self, placed: AnnData) -> None:
        axes = cs.pl.spatial_effects(placed, show=False)
        assert [name for name, _ in axes] == ["drug_a"] * 3 + ["drug_b"] * 3

    def test_errors(self, placed: AnnData) -> None:
        with pytest.raises(KeyError, match="no coordinates 'spatia' in adata.obsm. Did you mean 'spatial'"):
            cs.pl.spatial_effects(placed, spatial_key="spatia")
        with pytest.raises(KeyError, match="no column 'moran_i': one made by cs.tl.spatial_effects"):
            cs.pl.spatial_effects(placed, pd.DataFrame({"perturbation": [], "feature": []}))
        assert plt.get_fignums() == []

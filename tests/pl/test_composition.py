from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

import cellot_sc as cs


def shares(ax: Axes) -> np.ndarray:
    """Return the widths of the bars, shape (n_bars, n_parts)."""
    widths = [[bar.get_width() for bar in part if isinstance(bar, Rectangle)] for part in ax.containers]
    return np.array(widths).T


class TestComposition:
    def test_shares_are_those_of_the_crosstab(self, fitted: AnnData) -> None:
        fitted = fitted[np.random.default_rng(0).permutation(fitted.n_obs)[:400]].copy()
        ax = cs.pl.composition(fitted, "cell_type", "perturbation", show=False)
        expected = pd.crosstab(fitted.obs["perturbation"], fitted.obs["cell_type"], normalize="index")
        np.testing.assert_allclose(shares(ax), expected)
        np.testing.assert_allclose(shares(ax).sum(axis=1), 1)
        assert [label.get_text() for label in ax.get_yticklabels()] == expected.index.tolist()
        counts = fitted.obs["perturbation"].value_counts().loc[expected.index].tolist()
        assert [text.get_text() for text in ax.texts] == [f"{counts[0]} cells", *map(str, counts[1:])]

    def test_missing_parts_are_shown_and_missing_bars_are_not(self, fitted: AnnData) -> None:
        fitted.obs["effect_cluster"] = fitted.obs["cell_type"].where(fitted.obs["perturbation"] == "control")
        fitted.obs.loc[fitted.obs_names[::2], "cell_type"] = None
        ax = cs.pl.composition(fitted, show=False)
        known = fitted.obs[fitted.obs["effect_cluster"].notna()]
        parts = known["cell_type"].cat.add_categories("missing").fillna("missing")
        np.testing.assert_allclose(shares(ax), pd.crosstab(known["effect_cluster"], parts, normalize="index"))
        figure = ax.get_figure(root=True)
        assert figure is not None
        assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "missing"

    def test_errors(self, fitted: AnnData) -> None:
        with pytest.raises(KeyError, match="groupby 'cell_typ' is not in adata.obs. Did you mean 'cell_type'"):
            cs.pl.composition(fitted, "cell_typ")
        with pytest.raises(
            KeyError, match=r"by 'effect_cluster' is not in adata.obs: call cs.tl.effect_clusters\(adata"
        ):
            cs.pl.composition(fitted)
        fitted.obs["depth"] = np.linspace(0, 1, fitted.n_obs)
        with pytest.raises(
            ValueError, match="groupby 'depth' holds 600 different numbers: give a column of categories"
        ):
            cs.pl.composition(fitted, "depth", "perturbation")
        fitted.obs["none"] = pd.Categorical([None] * fitted.n_obs, categories=["a"])
        with pytest.raises(ValueError, match="number of cells with a 'none' is 0"):
            cs.pl.composition(fitted, by="none")
        assert plt.get_fignums() == []

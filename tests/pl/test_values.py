from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.axes import Axes

import cellot_sc as cs
from cellot_sc.pl import _cells, _values


def test_columns_that_are_a_scale() -> None:
    found = _values.of_column(pd.Series([0.5, None]))
    assert found is not None
    np.testing.assert_array_equal(found, [0.5, np.nan])
    assert _values.of_column(pd.Series(range(61))) is not None
    for column in ([*range(60)], [True, False], ["a", "b"], pd.Categorical([0.5, 1.0])):
        assert _values.of_column(pd.Series(column)) is None


class TestCells:
    def test_features_are_what_is_predicted(self, fitted: AnnData) -> None:
        cells = _cells.shown_cells(fitted, None, key="cellot", split="test")
        rows = {name: cells.rows(name, at_most=10**6) for name in ("control", "drug_a", "drug_b")}
        found = _values.of_cells(cells, "gene_01", rows)
        assert found is not None
        start = cells.space.read(rows["control"])
        np.testing.assert_allclose(
            found["drug_a"]["predicted"], cells.space.view(cells.predicted("drug_a", rows["control"], start))[:, 1]
        )
        np.testing.assert_allclose(found["drug_b"]["control"], cells.space.view(start)[:, 1])
        np.testing.assert_allclose(
            found["drug_b"]["observed"], cells.space.view(cells.space.read(rows["drug_b"]))[:, 1]
        )

    def test_columns_are_those_of_the_control_cells(self, fitted: AnnData) -> None:
        fitted.obs["depth"] = np.arange(fitted.n_obs) / 10
        cells = _cells.shown_cells(fitted, "drug_a", key="cellot", split="test")
        rows = {name: cells.rows(name, at_most=10**6) for name in ("control", "drug_a")}
        found = _values.of_cells(cells, "depth", rows)
        assert found is not None
        np.testing.assert_array_equal(found["drug_a"]["predicted"], rows["control"] / 10)
        np.testing.assert_array_equal(found["drug_a"]["observed"], rows["drug_a"] / 10)

    def test_categories_are_no_numbers(self, fitted: AnnData) -> None:
        cells = _cells.shown_cells(fitted, "drug_a", key="cellot", split="test")
        assert _values.of_cells(cells, None, {}) is None
        assert _values.of_cells(cells, "cell_type", {}) is None
        with pytest.raises(KeyError, match="color 'gene_1' is not in adata.obs, and no feature .*mean 'gene_01"):
            _values.of_cells(cells, "gene_1", {})


def test_a_scale_has_the_smallest_and_the_largest() -> None:
    scale = _values.scale([np.array([1.0, np.nan]), np.array([3.0])], "magma")
    assert scale.get_clim() == (1, 3)
    assert scale.get_cmap().name == "magma"
    bad, low = _values.shades(scale, np.array([np.nan, 1.0]))
    assert tuple(bad) == pytest.approx(scale.get_cmap().get_bad())
    assert tuple(low) == pytest.approx(scale.get_cmap()(0.0))
    assert _values.scale([np.array([np.nan])], None).get_clim() == (0, 1)
    with pytest.raises(ValueError, match="palette 'magm' is unknown. Did you mean 'magma'"):
        _values.scale([np.array([1.0])], "magm")


def bar_of(ax: Axes) -> Axes:
    """Return the axes of the bar of colours of a figure."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure.axes[-1]


@pytest.mark.parametrize("color", ["gene_01", "depth"])
def test_figures_have_a_bar_and_no_legend_of_numbers(fitted: AnnData, color: str) -> None:
    fitted.obs["depth"] = np.linspace(0, 1, fitted.n_obs)
    panels = cs.pl.embedding(fitted, "drug_a", basis="pca", color=color, show=False)
    first = panels["drug_a", "control"]
    assert bar_of(first).get_ylabel() == color
    assert len(np.unique(np.asarray(first.collections[1].get_facecolor()), axis=0)) > 20
    figure = first.get_figure(root=True)
    assert figure is not None and figure.legends == []
    arrows = cs.pl.displacement(fitted, "drug_a", basis="pca", color=color, show=False)["drug_a"]
    assert bar_of(arrows).get_ylabel() == f"{color} of control cells"
    figure = arrows.get_figure(root=True)
    assert figure is not None
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["observed", "predicted displacement"]
    with pytest.raises(ValueError, match="palette"):
        cs.pl.embedding(fitted, "drug_a", basis="pca", color=color, palette={"a": "red"}, show=False)

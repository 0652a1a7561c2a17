from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.colors import same_color

import cellot_sc as cs
from cellot_sc.ot import AffineMap, ChainMap, ContextMap, MeanShiftMap, WeightedMap
from cellot_sc.pl import _colors, _history


def curves(ax: Axes) -> dict[str, tuple[list[float], list[float]]]:
    return {
        str(line.get_label()): (np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist())
        for line in ax.lines
        if not str(line.get_label()).startswith("_")
    }


def dots(ax: Axes) -> list[tuple[float, float]]:
    return [
        (float(np.ravel(line.get_xdata())[0]), float(np.ravel(line.get_ydata())[0]))
        for line in ax.lines
        if line.get_marker() == "o"
    ]


def legend(ax: Axes) -> list[str]:
    figure = ax.get_figure(root=True)
    assert figure is not None
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_lines_are_those_of_the_table(iterated: AnnData) -> None:
    axes = cs.pl.history(iterated, show=False)
    assert list(axes) == ["loss", "validation"]
    assert curves(axes["loss"]) == {
        "drug_a": ([100, 200, 300], [9, 8, 7]),
        "drug_b": ([100, 200, 300], [8, 7, 6]),
    }
    assert curves(axes["validation"])["drug_b"] == ([0, 100, 200, 300], [4, 3, 2, 3])
    assert dots(axes["validation"]) == [(200, 1), (200, 2)]
    assert dots(axes["loss"]) == [(200, 8), (200, 7)]
    assert legend(axes["loss"]) == ["drug_a", "drug_b", "map that was kept"]
    assert {ax.get_xlim() for ax in axes.values()} == {(0, 300 * 1.03)}


def test_some_targets(iterated: AnnData) -> None:
    axes = cs.pl.history(iterated, "drug_b", show=False)
    assert curves(axes["loss"]) == {"drug_b": ([100, 200, 300], [8, 7, 6])}
    assert dots(axes["loss"]) == [(200, 7)]
    with pytest.raises(ValueError, match="target 'drug_c' is unknown"):
        cs.pl.history(iterated, "drug_c", show=False)


def test_one_perturbation(simulated: AnnData) -> None:
    adata = simulated[simulated.obs["perturbation"] != "drug_b"].copy()
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=8)
    cs.tl.cellot(adata, n_steps=20, check_every=10, penalties=(10.0,))
    axes = cs.pl.history(adata, show=False)
    table = adata.uns["cellot"]["history"]
    expected = table[table["metric"] == "validation"]
    assert curves(axes["validation"])["drug_a"] == (expected["step"].tolist(), expected["value"].tolist())


def test_many_perturbations(iterated_34: AnnData) -> None:
    axes = cs.pl.history(iterated_34, show=False)
    panel = axes["validation"]
    assert len(curves(panel)) == 34 + 1
    assert curves(panel)["median"] == ([0, 100, 200, 300], [19.5, 18.5, 17.5, 18.5])
    assert legend(panel) == ["each perturbation", "median", "drug_33", "drug_32", "drug_31", "map that was kept"]
    colored = [line.get_label() for line in panel.lines if same_color(line.get_color(), _colors.VERMILION)]
    assert "drug_33" in colored
    assert len(dots(panel)) == 34


def test_colors_of_uns(iterated: AnnData) -> None:
    iterated.uns["perturbation_colors"] = ["#111111", "#22aa22", "#3333ff"]
    axes = cs.pl.history(iterated, show=False)
    colors = {line.get_label(): line.get_color() for line in axes["loss"].lines}
    assert (colors["drug_a"], colors["drug_b"]) == ("#22aa22", "#3333ff")


def test_no_step_selected(iterated: AnnData) -> None:
    table: pd.DataFrame = iterated.uns["cellot"]["history"]
    iterated.uns["cellot"]["history"] = table[table["metric"] != "selected"]
    axes = cs.pl.history(iterated, show=False)
    assert dots(axes["loss"]) == []
    assert legend(axes["loss"]) == ["drug_a", "drug_b"]


def test_maps_without_a_history(fitted: AnnData) -> None:
    with pytest.raises(ValueError, match="have no history: solver 'gaussian' took no steps"):
        cs.pl.history(fitted)
    with pytest.raises(KeyError, match="call cs.tl.cellot first. Did you mean 'cellot'"):
        cs.pl.history(fitted, key="celot")
    assert plt.get_fignums() == []


def network(adata: AnnData, start: dict[str, float], **options: int) -> None:
    """Let the history be that of networks that had to beat a start."""
    fits = adata.uns["cellot"]
    fits["solver"], fits["options"] = "icnn", options
    rows = [(name, 0, 0.0, "start", value) for name, value in start.items()]
    table = fits["history"]
    fits["history"] = pd.concat([table, pd.DataFrame(rows, columns=table.columns)], ignore_index=True)


@pytest.mark.parametrize(("least", "first"), [(200, 200), (150, 100), (1000, 300)])
def test_steps_before_which_no_map_is_taken_are_shaded(iterated: AnnData, least: int, first: int) -> None:
    network(iterated, {}, min_steps=least)
    for panel in cs.pl.history(iterated, show=False).values():
        [shade] = panel.patches
        assert shade.get_extents().x0 == pytest.approx(panel.transData.transform((0, 0))[0])
        assert shade.get_extents().x1 == pytest.approx(panel.transData.transform((first, 0))[0])
        assert legend(panel)[-1] == "no map is taken yet"


def test_affine_start_is_a_line_and_has_no_dot_where_it_was_kept(iterated: AnnData) -> None:
    network(iterated, {"drug_a": 2.5})
    axes = cs.pl.history(iterated, show=False)
    [line] = [line for line in axes["validation"].lines if line.get_linestyle() == "--"]
    assert np.asarray(line.get_ydata()).tolist() == [2.5, 2.5]
    assert legend(axes["loss"])[:4] == ["drug_a", "drug_b", "map that was kept", "affine start"]
    # the map of drug_a is affine, as all are here
    assert dots(axes["validation"]) == [(200, 2)]


def test_metrics_to_show(iterated: AnnData) -> None:
    network(iterated, {"drug_a": 2.5})
    axes = cs.pl.history(iterated, metrics="validation", show=False)
    assert list(axes) == ["validation"]
    assert list(cs.pl.history(iterated, metrics=["validation", "loss"], show=False)) == ["validation", "loss"]
    assert "affine start" not in legend(cs.pl.history(iterated, metrics="loss", show=False)["loss"])
    with pytest.raises(ValueError, match="metric 'start' is unknown"):
        cs.pl.history(iterated, metrics="start", show=False)


@pytest.mark.parametrize("without", [["drug_a"], ["drug_a", "drug_b"]])
def test_what_needed_no_steps_is_named(iterated: AnnData, without: list[str], caplog: pytest.LogCaptureFixture) -> None:
    table = iterated.uns["cellot"]["history"]
    iterated.uns["cellot"]["history"] = table[(table["metric"] == "selected") | ~table["perturbation"].isin(without)]
    axes = cs.pl.history(iterated, show=False)
    assert [sorted(curves(ax)) for ax in axes.values()] == ([["drug_b"]] * 2 if len(without) == 1 else [])
    assert f"an affine map explains the cells of {', '.join(without)}: there are no steps to draw" in caplog.text
    assert plt.get_fignums() == []


def test_maps_in_which_all_is_affine() -> None:
    affine, shift = AffineMap(np.eye(2), np.zeros(2), np.ones(2)), MeanShiftMap(np.ones(2))
    assert _history.is_affine(WeightedMap(affine, np.ones(2)))
    assert _history.is_affine(ChainMap([shift, affine]))
    assert not _history.is_affine(ChainMap([affine, shift]))
    for parent, expected in ((affine, True), (shift, False)):
        assert _history.is_affine(ContextMap(parent, [affine], ["a"])) is expected

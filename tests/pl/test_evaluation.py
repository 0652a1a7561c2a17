from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

import cellot_sc as cs

MODELS = ["icnn", "identity", "mean_shift", "gaussian", "observed"]


def scores(perturbations: list[str]) -> pd.DataFrame:
    rows = []
    for i, name in enumerate(perturbations):
        for j, model in enumerate(MODELS):
            for k, metric in enumerate(["energy_distance", "pearson_delta", "energy_distance_calibrated"]):
                for group in ("all", "mean"):
                    value = i + j / 10 + k / 100 + (group == "mean")
                    rows.append((model, metric, name, group, "test", 0, 50, value, value - 0.05, value + 0.05))
    columns = "model metric perturbation group split seed n_cells value ci_low ci_high".split()
    return pd.DataFrame(rows, columns=columns)


def values(ax: Axes) -> dict[str, list[float]]:
    return {
        str(line.get_label()): np.asarray(line.get_xdata()).tolist()
        for line in ax.lines
        if not str(line.get_label()).startswith("_")
    }


def legend(ax: Axes) -> list[str]:
    figure = ax.get_figure(root=True)
    assert figure is not None
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_points_and_intervals_are_those_of_the_table() -> None:
    axes = cs.pl.evaluation(scores(["drug_b", "drug_a"]), show=False)
    assert list(axes) == ["energy_distance", "pearson_delta"]
    ax = axes["energy_distance"]
    assert values(ax) == {
        "identity": [0.1, 1.1],
        "mean_shift": [0.2, 1.2],
        "gaussian": [0.3, 1.3],
        "icnn": [0.0, 1.0],
        "observed": [0.4, 1.4],
    }
    intervals = [line for line in ax.collections if isinstance(line, LineCollection)]
    ends = [segment[:, 0].tolist() for segment in intervals[0].get_segments()]
    assert ends == [pytest.approx([0.05, 0.15]), pytest.approx([1.05, 1.15])]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["drug_b", "drug_a"]
    # the first perturbation is on top
    assert ax.yaxis_inverted()
    assert legend(ax) == [
        "identity (no effect)",
        "mean shift",
        "Gaussian map",
        "neural map (icnn)",
        "observed (best possible)",
    ]


def test_models_of_a_perturbation_do_not_lie_on_each_other() -> None:
    ax = cs.pl.evaluation(scores(["drug_a"]), metrics="energy_distance", show=False)["energy_distance"]
    heights = [np.asarray(line.get_ydata())[0] for line in ax.lines if line.get_label() in MODELS]
    assert np.diff(sorted(heights)).min() > 0.1
    assert max(map(abs, heights)) < 0.5


def test_group() -> None:
    table = scores(["drug_a"])
    axes = cs.pl.evaluation(table, group="mean", metrics=["energy_distance"], show=False)
    assert values(axes["energy_distance"])["icnn"] == [1.0]


def test_several_fits_side_by_side() -> None:
    table = scores(["drug_a"])
    other = table[table["model"] == "icnn"].assign(model="entropic", value=5.0)
    ax = cs.pl.evaluation(pd.concat([table, other]), metrics="energy_distance", show=False)["energy_distance"]
    assert values(ax)["entropic"] == [5.0]
    assert legend(ax)[3:5] == ["neural map (icnn)", "entropic"]


def test_missing_scores_leave_a_gap() -> None:
    table = scores(["drug_a", "drug_b"])
    table = table[(table["model"] != "observed") | (table["perturbation"] != "drug_a")]
    ax = cs.pl.evaluation(table, metrics="energy_distance", show=False)["energy_distance"]
    assert np.isnan(values(ax)["observed"][0])
    assert values(ax)["observed"][1] == pytest.approx(1.4)


def test_34_perturbations_fit() -> None:
    names = [f"drug_{i:02d}" for i in range(34)]
    axes = cs.pl.evaluation(scores(names), show=False)
    figure = axes["energy_distance"].get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes["energy_distance"].get_yticklabels()]
    assert not any(a.overlaps(b) for a, b in zip(boxes, boxes[1:], strict=False))


def test_a_table_of_evaluate(fitted: AnnData) -> None:
    table = cs.tl.evaluate(fitted, metrics=["mmd", "variance_ratio"], n_boot=10)
    axes = cs.pl.evaluation(table, show=False)
    expected = table[(table["metric"] == "mmd") & (table["model"] == "mean_shift")]["value"].tolist()
    assert values(axes["mmd"])["mean_shift"] == expected
    assert axes["mmd"].get_xlabel() == "lower is better"
    assert axes["variance_ratio"].get_xlabel() == "best: 1"


@pytest.mark.parametrize(
    ("metric", "best"),
    [
        ("energy_distance", 0),
        ("pearson_delta", 1),
        ("variance_ratio", 1),
        ("knn_enrichment_50", 0.5),
        ("mmd_calibrated", 1),
        ("my_own", None),
    ],
)
def test_best_value_is_marked_and_said(metric: str, best: float | None) -> None:
    table = scores(["drug_a"])
    table = table[table["metric"] == "energy_distance"].assign(metric=metric)
    ax = cs.pl.evaluation(table, metrics=metric, show=False)[metric]
    marked = [np.asarray(line.get_xdata())[0] for line in ax.lines if line.get_linestyle() == ":"]
    if best is None:
        assert np.isnan(marked).all() and ax.get_xlabel() == ""
    else:
        assert marked == [best] and ax.get_xlabel() == ("lower is better" if best == 0 else f"best: {best:g}")


def test_titles_are_labels_that_fit_above_their_panels() -> None:
    name = "energy_distance_calibrated"
    axes = cs.pl.evaluation(scores(["drug_a"]), metrics=["pearson_delta", name], show=False)
    titles = [ax.get_title(loc="left") for ax in axes.values()]
    assert titles == [
        "correlation of predicted and observed\nchanges of the mean", "energy distance, calibrated",
    ]  # fmt: skip


def test_a_metric_that_is_not_registered_is_drawn_by_its_own_record() -> None:
    mine = cs.metrics.Metric("mine", lambda x, y: 0.0, "agreement of mine", best=1.0, bounds=(0.0, 1.0))
    table = scores(["drug_a"]).replace({"metric": {"pearson_delta": "mine"}})
    axes = cs.pl.evaluation(table, metrics=[mine, "energy_distance"], show=False)
    assert list(axes) == ["mine", "energy_distance"]
    assert axes["mine"].get_title(loc="left") == "agreement of mine" and axes["mine"].get_xlabel() == "best: 1"
    assert values(axes["mine"])["icnn"] == [pytest.approx(0.01)]


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"metrics": "energy"}, ValueError, "metric 'energy' is unknown. Did you mean 'energy_distance'"),
        ({"group": "al"}, ValueError, "group 'al' is unknown. Did you mean 'all'"),
    ],
)
def test_errors(kwargs: dict[str, str], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cs.pl.evaluation(scores(["drug_a"]), **kwargs)  # type: ignore[arg-type]
    assert plt.get_fignums() == []


def test_no_table_of_scores() -> None:
    with pytest.raises(KeyError, match="table has no column 'model': one made by cs.tl.evaluate is needed"):
        cs.pl.evaluation(pd.DataFrame({"modell": [1]}))


class TestCurves:
    def test_of_one_perturbation_with_its_intervals(self, tables: Any) -> None:
        table = tables.scores(1, (5, 50, 500))
        ax = cs.pl.evaluation(table, x="n_features", metrics="energy_distance", show=False)["energy_distance"]
        of_model = table[(table["model"] == "icnn") & (table["metric"] == "energy_distance")]
        [line] = [line for line in ax.lines if line.get_label() == "icnn"]
        assert np.asarray(line.get_xdata()).tolist() == [5, 50, 500]
        np.testing.assert_allclose(np.asarray(line.get_ydata()), of_model["value"])
        bands = [band.get_paths()[0].get_extents() for band in ax.collections]
        assert any(np.isclose(band.y1, of_model["ci_high"].max()) for band in bands)
        assert ax.get_xscale() == "log"
        assert ax.get_xlabel() == "number of features"

    def test_of_several_the_median(self, tables: Any) -> None:
        table = tables.scores(5, (10, 20))
        ax = cs.pl.evaluation(table, x="n_features", metrics="energy_distance", show=False)["energy_distance"]
        of_model = table[(table["model"] == "icnn") & (table["metric"] == "energy_distance")]
        [line] = [line for line in ax.lines if line.get_label() == "icnn"]
        np.testing.assert_allclose(np.asarray(line.get_ydata()), of_model.groupby("n_features")["value"].median())
        assert ax.get_xscale() == "linear"


def test_several_scores_need_an_x(tables: Any) -> None:
    with pytest.raises(ValueError, match="several scores of model 'identity'.*name in x"):
        cs.pl.evaluation(tables.scores(1, (5, 10)))


@pytest.mark.parametrize(("lowest", "scale"), [(0.1, "log"), (-0.05, "symlog")])
def test_the_worst_curve_does_not_flatten_the_others(tables: Any, lowest: float, scale: str) -> None:
    table = tables.scores(1, (5, 10, 50)).query("metric == 'energy_distance'")
    level = {"identity": 20.0, "mean_shift": 0.3, "gaussian": 0.2, "icnn": 0.15, "observed": lowest}
    value = table["model"].map(level)
    table = table.assign(value=value, ci_low=value - 0.01, ci_high=value + 0.01)
    [ax] = cs.pl.evaluation(table, x="n_features", show=False).values()
    assert ax.get_yscale() == scale
    height = {
        model: ax.transAxes.inverted().transform(ax.transData.transform((5, at)))[1] for model, at in level.items()
    }
    assert height["mean_shift"] - height["icnn"] > 0.05
    assert height["identity"] < 1
    # what is best at another number stays as it is
    [ax] = cs.pl.evaluation(tables.scores(1, (5, 10)), metrics="pearson_delta", x="n_features", show=False).values()
    assert ax.get_yscale() == "linear"


def test_many_models_are_named_beside_their_panel() -> None:
    table = scores(["drug_a"])
    others = [table[table["model"] == "icnn"].assign(model=f"a model of a long name {i}") for i in range(8)]
    [ax] = cs.pl.evaluation(pd.concat([table, *others]), metrics="energy_distance", show=False).values()
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    box, panel = figure.legends[0].get_window_extent(), ax.get_window_extent()
    assert box.x0 >= panel.x1
    assert box.height <= figure.bbox.height

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

import cellot_sc as cs

LONG = [f"a_model_with_a_name_of_forty_letters_{i:03d}" for i in range(12)]
METRICS = [
    *("energy_distance", "mmd", "legacy_mmd", "l2_means", "r_means", "pearson_delta", "variance_ratio"),
    "my_metric_with_a_name_of_forty_letters_x",
]


def rows(values: dict[str, list[float]], floor: str = "identity", perturbation: str = "drug") -> pd.DataFrame:
    """Return calibrated scores of models a, b, ... by metric."""
    found = [
        (model, f"{metric}_calibrated", floor, perturbation, "all", "test", 0, 9, value, value - 0.1, value + 0.1)
        for metric, of_models in values.items()
        for model, value in zip("abcdefghijkl", of_models, strict=False)
    ]
    return pd.DataFrame(
        found, columns="model metric floor perturbation group split seed n_cells value ci_low ci_high".split()
    )


def shown(ax: Axes) -> dict[tuple[int, int], list[str]]:
    """Return what is written in every cell."""
    found: dict[tuple[int, int], list[str]] = {}
    for text in ax.texts:
        if text.get_text():
            x, y = text.get_position()
            found.setdefault((round(y), round(x)), []).append(text.get_text())
    return found


def names(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def hatched(ax: Axes) -> set[tuple[int, int]]:
    boxes = [one for one in ax.patches if isinstance(one, Rectangle) and one.get_hatch()]
    return {(round(box.get_y() + 0.5), round(box.get_x() + 0.5)) for box in boxes}


def test_a_cell_per_model_and_metric() -> None:
    ax = cs.pl.scorecard(rows({"mmd": [0.25, 1.0, -30], "r_means": [0.5, np.nan, 0.75]}), show=False)
    # by the mean of ranks: 1 of the only metric, then (2 + 2) / 2, (3 + 1) / 2
    assert names(ax) == ["b", "a", "c"]
    cells = shown(ax)
    assert cells[0, 0] == ["1.00", "0.90 to 1.10"] and cells[1, 0] == ["0.25", "0.15 to 0.35"]
    assert cells[2, 0] == ["\N{MINUS SIGN}30", "\N{MINUS SIGN}30 to \N{MINUS SIGN}30"]
    assert cells[0, 1] == ["unknown"]
    heads = [label.get_text().replace("\n", " ") for label in ax.get_xticklabels()]
    assert heads == ["unbiased squared maximum mean discrepancy 0 = identity", "correlation of means 0 = identity"]
    assert "Calibrated scores of drug, all cells" in ax.get_xlabel().replace("\n", " ")


def test_a_metric_that_tells_nothing_is_hatched_and_ranks_nobody() -> None:
    table = pd.concat([rows({"mmd": [np.nan, np.nan]}), rows({"l2_means": [0.1, 0.9]})])
    ax = cs.pl.scorecard(table, show=False)
    assert hatched(ax) == {(0, 0), (1, 0)}
    assert [shown(ax)[i, 0] for i in (0, 1)] == [["no gap"]] * 2
    assert names(ax) == ["b", "a"]


def test_the_floor_is_nothing_by_definition() -> None:
    table = pd.concat([rows({"mmd": [0.5, -1.0]}), rows({"l2_means": [0.1]}, floor="b")])
    ax = cs.pl.scorecard(table, show=False)
    assert names(ax) == ["a", "b"]
    assert shown(ax)[1, 1] == ["0.00", "floor"]
    assert [label.get_text().split("0 = ")[1] for label in ax.get_xticklabels()] == ["identity", "b"]


def test_metrics_are_chosen_and_ordered_and_those_with_two_floors_have_two_columns() -> None:
    table = pd.concat([rows({"mmd": [0.5], "l2_means": [0.2]}), rows({"mmd": [0.1]}, floor="gaussian")])
    ax = cs.pl.scorecard(table, metrics=["l2_means", "mmd"], show=False)
    assert [shown(ax)[0, j][0] for j in range(3)] == ["0.20", "0.50", "0.10"]
    assert [label.get_text().split("0 = ")[1].replace("\n", " ") for label in ax.get_xticklabels()] == [
        "identity", "identity", "Gaussian map",
    ]  # fmt: skip
    mine = cs.metrics.Metric("mmd", lambda x, y: 0.0, "by another name")
    ax = cs.pl.scorecard(table, metrics=mine, show=False)
    assert ax.get_xticklabels()[0].get_text().startswith("by another name")


def test_over_perturbations_it_is_what_the_summary_says(fitted: Any) -> None:
    options: dict[str, Any] = {"metrics": ["energy_distance", "variance_ratio"], "floor": "mean_shift", "n_boot": 20}
    table = cs.tl.evaluate(fitted, **options)
    means: Any = cs.tl.summarize_scores(table).set_index(["metric", "model"])["value"]
    ax = cs.pl.scorecard(table, metrics="variance_ratio", show=False)
    found = {name: shown(ax)[i, 0][0] for i, name in enumerate(names(ax))}
    value = means["variance_ratio_calibrated", "gaussian"]
    assert found["Gaussian map"] == ("no gap" if np.isnan(value) else f"{value:.2f}".replace("-", "\N{MINUS SIGN}"))
    assert "the mean over 2 perturbations" in ax.get_xlabel().replace("\n", " ")
    # the table may have means of its own
    with_means = cs.tl.evaluate(fitted, unit="perturbation", **options)
    again = cs.pl.scorecard(with_means, show=False)
    assert "the mean over 2 perturbations" in again.get_xlabel().replace("\n", " ")


def test_no_name_covers_another() -> None:
    rng = np.random.default_rng(0)
    table = rows({metric: [*rng.normal(size=12) * 10] for metric in METRICS}, floor=LONG[0])
    table["model"] = table["model"].map(dict(zip("abcdefghijkl", LONG, strict=True)))
    ax = cs.pl.scorecard(table, show=False)
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    width = ax.get_window_extent().width / len(METRICS)
    height = ax.get_window_extent().height / len(LONG)
    for text in ax.texts:
        box = text.get_window_extent()
        assert box.width < width and box.height < height / 1.9
    for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
        boxes = [label.get_window_extent() for label in labels]
        assert not any(a.overlaps(b) for a, b in zip(boxes, boxes[1:], strict=False))
        assert all(figure.bbox.contains(box.x0, box.y0) and figure.bbox.contains(box.x1, box.y1) for box in boxes)
    note = ax.xaxis.label.get_window_extent()
    assert note.x1 < figure.bbox.x1 + 1


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"metrics": "mdm"}, "metric 'mdm' is unknown. Did you mean 'mmd'"),
        ({"group": "al"}, "group 'al' is unknown. Did you mean 'all'"),
    ],
)
def test_errors(kwargs: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cs.pl.scorecard(rows({"mmd": [1.0]}), **kwargs)  # type: ignore[arg-type]
    assert plt.get_fignums() == []


def test_tables_without_calibrated_scores() -> None:
    table = rows({"mmd": [1.0]})
    with pytest.raises(KeyError, match="table has no column 'floor'"):
        cs.pl.scorecard(table.drop(columns="floor"))
    with pytest.raises(ValueError, match="table has no calibrated scores of group 'all'"):
        cs.pl.scorecard(table.assign(metric="mmd"))
    with pytest.raises(ValueError, match="several scores"):
        cs.pl.scorecard(pd.concat([table, table]))

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _report
from cellot_sc._report import _scores
from cellot_sc._report._table import MISSING, number
from cellot_sc.tl._judge.scores import described


def test_table_has_every_score_beside_the_baselines(page: Any, report: _report.Report) -> None:
    head, *rows = page.table("calibrated")
    assert head == [
        "perturbation", "cells", "metric", "Gaussian map", "best possible", "calibrated", "identity", "mean shift",
        "mean shift per context", "Gaussian map per context",
    ]  # fmt: skip
    metrics = [name for name in report.scores["metric"].unique() if not name.endswith("_calibrated")]
    names = ("drug <b>&amp;</b>", "drug_b")
    assert {tuple(row[:3]) for row in rows} == {
        (name, group, metric) for name in names for group in ("all", "equal", "mean", "worst") for metric in metrics
    }
    table = report.scores.set_index(["perturbation", "group", "metric", "model"])["value"]
    for row in rows:
        models = ("gaussian", "observed", "identity", "mean_shift", "group_shift", "group_gaussian")
        for model, shown in zip(models, [*row[3:5], *row[6:]], strict=True):
            value = table[row[0], row[1], row[2], model]
            beside = [table[row[0], row[1], row[2], model] for model in models]
            assert shown == number(value, beside=beside)
    reached = report.scores[report.scores["model"] == "gaussian"].set_index(["perturbation", "group", "metric"])
    for row in rows:
        value = reached.loc[(row[0], row[1], f"{row[2]}_calibrated"), "value"]
        assert row[5] == (MISSING if np.isnan(value) else f"{100 * value:.0f}\N{NO-BREAK SPACE}%".replace("-", "−"))
    [item] = [item for item in report.items if item.name == "scores"]
    assert item.table is not None
    for floor in set(report.scores["floor"]) - {"-"}:
        assert f"<small>from {_scores._plain(floor)}</small>" in item.table


def test_composition(fitted: AnnData) -> None:
    fit = cs.tl.maps(fitted).fit
    assert _scores._composition(fitted, fit, None) == ""
    same = "Control and treated cells have the same shares of each group, as far as can be told."
    assert _scores._composition(fitted, fit, "cell_type") == same
    adata = fitted.copy()
    treated = (fit.labels(adata) == fit.targets[1]) & (fit.parts(adata) == "train")
    adata.obs["kind"] = np.where(treated, "a", np.where(np.arange(adata.n_obs) % 4 > 0, "b", "a"))
    assert "a map evens out what it sees of that" in _scores._composition(adata, fit, "kind")
    fit = dataclasses.replace(fit, match_abundance=False)
    text = _scores._composition(adata, fit, "kind")
    assert text.startswith(f"Groups differ in abundance, most under {fit.targets[1]} ('")
    assert "'a' 2" in text and " % of control and 100 % of treated cells" in text
    assert text.endswith("turns them into each other; a fit that is told these (--context kind) does not.")
    typed = dataclasses.replace(fit, context=("kind",))
    assert _scores._composition(adata, typed, "kind").endswith("weighed so that each has the same share on both sides.")
    inner = dataclasses.replace(fit, context=("cell_type", "kind"))
    assert "it is shares of 'cell_type', the first context, that" in _scores._composition(adata, inner, "kind")
    others = dataclasses.replace(fit, context=("cell_type",))
    assert _scores._composition(adata, others, "kind").endswith("a fit that is told these (--context kind) does not.")
    assert _scores._composition(adata, dataclasses.replace(fit, times=(0.0, 1.0, 2.0)), "kind") == ""


@pytest.mark.parametrize("n_apart", [0, 2])
def test_groups_too_small_to_be_judged(report: _report.Report, fitted: AnnData, n_apart: int) -> None:
    """Of many perturbations, those that have scores within groups need not be the most severe ones."""
    names, drug = [f"p{i:02}" for i in range(14)], report.scores[report.scores["perturbation"] == "drug_b"]
    some = drug[drug["metric"].isin(["energy_distance", "mmd"])]
    parts = [
        (some if i < n_apart else some[some["group"] == "all"]).assign(perturbation=name)
        for i, name in enumerate(names)
    ]
    items = _scores.draw(
        *(fitted, pd.concat(parts)),
        metrics=report.metrics, solver="gaussian", order=names[::-1], key="cellot", split="test", groupby="cell_type",
    )  # fmt: skip
    assert [item.name for item in items] == ["evaluation", *["evaluation_groups"] * bool(n_apart), "scores"]
    assert (_scores.NO_GROUPS in items[0].meaning) is not bool(n_apart)
    if n_apart:
        assert "Left out are 12 perturbations of which no group has enough judged cells." in items[1].meaning
        assert items[1].figure is not None and items[1].whole is None


def test_pvalues_over_units() -> None:
    table = pd.DataFrame(
        [("mine", "a <", 0.25, 8, 0.008), ("identity", "a <", 0.0078125, 8, 0.008), ("identity", "b", np.nan, 3, 0.25)],
        columns=["model", "perturbation", "pvalue", "n_units", "p_min"],
    )
    table = pd.concat([table, table.iloc[[2]].assign(model="mine")]).assign(metric="energy_distance", group="all")
    text = _scores._tests(table, "mine", "patient")
    assert (
        "a &lt;</strong>: 8 units of “patient” count; p = 0.008 that they differ by chance, and of the map p = 0.25."
        in text
    )
    assert "b</strong>: 3 units of “patient” count, too few for any p-value: none could be below 0.25." in text
    many = pd.concat([table.assign(perturbation=f"p{i}") for i in range(9)])
    assert "<details>" in _scores._tests(many.drop_duplicates(["model", "perturbation"]), "mine", "patient")
    assert _scores._tests(table, "mine", None) == ""


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("energy_distance", {"a": 0.2, "identity": 0.1, "observed": 0.0}, {"identity"}),
        ("pearson_delta", {"a": 0.9, "identity": np.nan, "observed": 1.0}, {"a"}),
        ("variance_ratio", {"a": 2.0, "b": 0.5, "c": 3.0}, {"a", "b"}),
        # which value is best is not known
        ("my_own", {"a": 1.0, "b": 2.0}, set()),
        ("mmd", {"a": np.nan}, set()),
    ],
)
def test_best_prediction(metric: str, values: dict[str, float], best: set[str]) -> None:
    assert _scores._best_prediction(described(metric), values) == best

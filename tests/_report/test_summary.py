from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _report
from cellot_sc._report import _findings, _summary
from cellot_sc._report._affine import METRIC

NAMES = [f"compound_{i}" for i in range(8)]


def screen(seed: int) -> AnnData:
    """Eight perturbations, of which the last two are control cells by another name."""
    adata = cs.datasets.simulate(720, 20, perturbations=NAMES[:6], n_cell_types=2, seed=seed)
    rest = cs.datasets.simulate(560, 20, perturbations=["any"], n_cell_types=2, seed=seed)
    rest = rest[rest.obs["perturbation"] == "control"].copy()
    rest.obs["perturbation"] = np.repeat(["control", *NAMES[6:]], [80, 100, 100])
    both = anndata.concat([adata, rest], index_unique="-")
    cs.pp.split(both, seed=seed)
    cs.pp.represent(both, n_components=4)
    cs.tl.cellot(both, solver="gaussian")
    return both


def found(adata: AnnData, scores: pd.DataFrame | None = None, **asked: Any) -> _summary.Found:
    asked = {"groupby": "cell_type", "unit": None, "key": "cellot", "seed": 0} | asked
    empty = pd.DataFrame(columns=_report.COLUMNS)
    findings = _findings.find(adata, **asked)
    rows = empty if scores is None else scores
    return _summary.Found(adata, cs.tl.maps(adata), rows, rows.iloc[:0], findings, "test")


def plain(text: str) -> str:
    return re.sub("<[^>]*>", " ", text).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("unit", [None, "patient"])
def test_the_box_and_the_table_of_severity_say_the_same(
    parse: Callable[[str], Any], seed: int, unit: str | None
) -> None:
    looked_at = found(screen(seed), unit=unit)
    box = _summary.summary(looked_at)
    [(head, *rows)] = parse(f"<table>{_findings._severity(looked_at.findings.costs)}</table>").tables
    moved = {row[0] for row in rows if row[1] == "all" and row[head.index("more than noise")] == "yes"}
    assert f"{len(moved)} of 8 perturbations move cells by more than noise." in plain(box)
    [(head, *lines)] = parse(box).tables
    assert {line[0] for line in lines if line[head.index("by more than noise?")] == "yes"} == moved
    # the most severe is on top, and what has no effect is not said to have one
    assert "compound_0" in moved and not moved & {"compound_6", "compound_7"}
    assert lines[0][0] in moved
    assert "cannot show an effect, which does not say that there is none" in plain(box)


class TestLines:
    def test_where_and_by_what(self, fitted: AnnData) -> None:
        looked_at = found(fitted)
        costs, effects = looked_at.findings.costs, looked_at.findings.effects
        lines = _summary._lines(looked_at, "drug <b>&amp;</b>")
        most = costs[(costs["perturbation"] == "drug <b>&amp;</b>") & (costs["group"] != "all")]
        assert lines[0].startswith(f"Acts most on {most.sort_values('cost')['group'].iloc[-1]} (distance ")
        called = effects[(effects["perturbation"] == "drug <b>&amp;</b>") & (effects["pvalue_adj"] < 0.05)]
        up, down = _summary.changes(called)
        assert f"Up: {', '.join(up)}. Down: {', '.join(down)}." in lines
        assert "&lt;b&gt;" in _summary.summary(looked_at) and "<b>" not in _summary.summary(looked_at)

    def test_no_effect_is_what_cells_cannot_show(self, fitted: AnnData) -> None:
        looked_at = found(fitted)
        lines = _summary._lines(looked_at, "drug_b")
        n = int(((fitted.obs["perturbation"] == "drug_b") & (fitted.obs["split"] == "train")).sum())
        assert lines[0].startswith(f"The {n} treated cells that were learnt from cannot show an effect: distance ")
        assert not any("Up" in line or "predicts" in line for line in lines)

    def test_groups_of_few_cells(self, fitted: AnnData) -> None:
        adata = fitted.copy()
        kinds = adata.obs["cell_type"].astype(str).to_numpy()
        controls = np.flatnonzero((adata.obs["perturbation"] == "control") & (adata.obs["split"] == "test"))
        kinds[controls[:10]] = "Mk"
        adata.obs["cell_type"] = kinds
        scores = cs.tl.evaluate(adata, groupby="cell_type", metrics="energy_distance", n_boot=0)
        text = plain(_summary.summary(found(adata, scores)))
        assert "Too few to say: Mk (10 control cells)." in text
        assert "Too few test cells to be judged on their own, and in no mean over cell types: Mk." in text

    def test_without_groups(self, fitted: AnnData) -> None:
        lines = _summary._lines(found(fitted, groupby=None), "drug <b>&amp;</b>")
        assert lines[0].startswith("It moves cells by more than noise: distance ")
        assert lines[1].startswith("Up: ")

    def test_counts_are_named_first(self, fitted: AnnData) -> None:
        adata = cs.datasets.simulate(240, 12)
        adata.X = np.round(np.expm1(adata.X.toarray()))
        cs.pp.split(adata)
        cs.pp.represent(adata, n_components=3)
        cs.tl.cellot(adata, solver="mean_shift")
        assert _summary.summary(found(adata)).startswith("<p><strong>Look at the expression first</strong>: adata.X ")


class TestPrediction:
    """Of a network, whose scores are made up."""

    @staticmethod
    def text(fitted: AnnData, gain: tuple[float, float, float], identity: float = 2.0, name: str = "icnn") -> str:
        looked_at = found(fitted)
        maps = dict.fromkeys(looked_at.fitted.maps, cs.ot.MeanShiftMap(np.zeros(8)))
        network = dataclasses.replace(
            looked_at.fitted, maps=maps, fit=dataclasses.replace(looked_at.fitted.fit, solver=name, options={})
        )
        target = "drug <b>&amp;</b>"
        values = {"identity": identity, "observed": 0.0, name: 0.1, "gaussian": 0.2, "mean_shift": 1.0}
        rows = [(model, "energy_distance", "-", of, of - 0.01, of + 0.01) for model, of in values.items()]
        rows.append((name, METRIC, "gaussian", *gain))
        table = pd.DataFrame(rows, columns=["model", "metric", "floor", "value", "ci_low", "ci_high"])
        scores = table.assign(perturbation=target, group="all", split="test")
        beside = scores[scores["metric"] == METRIC]
        changed = looked_at._replace(fitted=network, scores=scores, beside=beside)
        return " ".join(_summary._lines(changed, target)).replace("\N{NO-BREAK SPACE}", " ")

    def test_share_is_never_alone(self, fitted: AnnData) -> None:
        text = self.text(fitted, (0.5, 0.2, 0.7))
        assert "the neural map predicts 95 % of the difference between control and treated cells" in text
        assert "an affine (Gaussian) map 90 %, one shift for all cells 50 %" in text

    @pytest.mark.parametrize(
        ("gain", "words"),
        [
            (
                (0.5, 0.2, 0.7),
                "Here the neural map is better than an affine (Gaussian) map: it leaves 50 % (95 % interval",
            ),
            ((-0.5, -0.7, -0.2), "Here the neural map is worse than an affine (Gaussian) map"),
            ((0.5, -0.2, 0.7), "Whether the neural map is better than an affine (Gaussian) map cannot be told here"),
            ((np.nan,) * 3, "An affine (Gaussian) map cannot be told from other treated cells: nothing is left for"),
        ],
    )
    def test_beside_an_affine_map(self, fitted: AnnData, gain: tuple[float, float, float], words: str) -> None:
        assert words in self.text(fitted, gain)

    def test_cells_that_tell_nothing(self, fitted: AnnData) -> None:
        text = self.text(fitted, (0.5, 0.2, 0.7), identity=0.005)
        assert (
            "How good the prediction is cannot be told: its 60 treated test cells cannot be told from control" in text
        )
        assert "better" not in text

    def test_names_of_solvers_are_for_those_who_know_them(self, fitted: AnnData) -> None:
        text = self.text(fitted, (0.5, 0.2, 0.7))
        assert not re.search(r"\b(ood|icnn|mmd|energy_distance|pearson_delta)\b", text)


def test_held_out_by_name_and_nothing_judged(fitted: AnnData) -> None:
    adata = fitted.copy()
    cs.pp.split(adata, holdout={"patient": "patient_2"})
    text = plain(_summary.summary(found(adata)))
    ood = adata.obs[adata.obs["split"] == "ood"]
    n_control = int((ood["perturbation"] == "control").sum())
    assert f"Held out: patient_2 ({n_control} control and {len(ood) - n_control} treated cells" in text
    assert _summary.NOT_JUDGED in text

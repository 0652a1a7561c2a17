from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import anndata
import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc._report import _findings, _summary
from cellot_sc._report._found import Found

type Look = Callable[..., Found]

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


def plain(text: str) -> str:
    return re.sub("<[^>]*>", " ", text).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("unit", [None, "patient"])
def test_the_box_and_the_table_of_severity_say_the_same(
    parse: Callable[[str], Any], seed: int, unit: str | None, look: Look
) -> None:
    looked_at = look(screen(seed), unit=unit)
    box = _summary.summary(looked_at)
    [(head, *rows)] = parse(f"<table>{_findings._severity(looked_at.findings.costs)}</table>").tables
    said = {row[0]: row[head.index("responds")] for row in rows if row[1] == "all"}
    moved = {name for name, verdict in said.items() if verdict.startswith("yes")}
    assert f"{len(moved)} of 8 perturbations have an effect on cells" in plain(box)
    # features are called where, and only where, the verdict is that a group responds, or is moved as a whole
    effects, costs = looked_at.findings.effects, looked_at.findings.costs.set_index(["perturbation", "group"])
    called = effects[effects["pvalue_adj"] < 0.05].groupby(["perturbation", "group"]).size()
    assert {*called.index} <= {*costs.index[costs["responds"].str.startswith("yes")]}
    by_features = {*costs.index[costs["responds"] == "yes, by features"]}
    assert {of for of in by_features if of[1] != "all"} <= {*called.index}
    [(head, *lines)] = parse(box).tables
    assert {line[0] for line in lines if line[head.index("responds")].startswith("yes")} == moved
    # the most severe is on top, and what has no effect is not said to have one
    assert "compound_0" in moved and not moved & {"compound_6", "compound_7"}
    assert lines[0][0] in moved
    assert "cannot show an effect, which does not say that there is none" in plain(box)


class TestLines:
    def test_where_and_by_what(self, fitted: AnnData, look: Look) -> None:
        looked_at = look(fitted)
        costs, effects = looked_at.findings.costs, looked_at.findings.effects
        lines = _summary._lines(looked_at, "drug <b>&amp;</b>")
        most = costs[(costs["perturbation"] == "drug <b>&amp;</b>") & (costs["group"] != "all")]
        assert lines[0].startswith(f"Acts most on {most.sort_values('cost')['group'].iloc[-1]} (distance ")
        called = effects[(effects["perturbation"] == "drug <b>&amp;</b>") & (effects["pvalue_adj"] < 0.05)]
        up, down = _summary.changes(called)
        assert f"Up: {', '.join(up)}. Down: {', '.join(down)}." in lines
        assert "&lt;b&gt;" in _summary.summary(looked_at) and "<b>" not in _summary.summary(looked_at)

    def test_no_effect_is_what_cells_cannot_show(self, fitted: AnnData, look: Look) -> None:
        looked_at = look(fitted)
        lines = _summary._lines(looked_at, "drug_b")
        n = int(((fitted.obs["perturbation"] == "drug_b") & (fitted.obs["split"] == "train")).sum())
        assert lines[0].startswith(f"The {n} treated cells that were learnt from cannot show an effect: distance ")
        assert not any("Up" in line or "predicts" in line for line in lines)

    def test_groups_of_few_cells(self, fitted: AnnData, look: Look) -> None:
        adata = fitted.copy()
        kinds = adata.obs["cell_type"].astype(str).to_numpy()
        controls = np.flatnonzero((adata.obs["perturbation"] == "control") & (adata.obs["split"] == "test"))
        kinds[controls[::6]] = "Mk"
        adata.obs["cell_type"] = kinds
        scores = cs.tl.evaluate(adata, groupby="cell_type", metrics="energy_distance", n_boot=0)
        text = plain(_summary.summary(look(adata, scores)))
        assert "Too few to say: Mk (10 control cells)." in text
        assert "Too few test cells to be judged on their own, and in no mean over cell types: Mk" in text

    def test_the_only_group_is_all_cells(self, fitted: AnnData, look: Look) -> None:
        adata = fitted.copy()
        adata.obs["kind"] = "T"
        looked_at = look(adata, groupby="kind")
        assert set(looked_at.findings.costs["group"]) == {"all"} and set(looked_at.findings.effects["group"]) == {"T"}
        assert _summary._lines(looked_at, "drug <b>&amp;</b>")[0].startswith("It moves cells by more than noise: dist")

    def test_by_features_only(self, fitted: AnnData, look: Look) -> None:
        """Box and table say the same of groups, of all cells, too, if only features are called."""
        looked_at = look(fitted)
        effects = looked_at.findings.effects
        found = _findings.with_verdicts(looked_at.findings.costs.assign(ci_low=0.0), effects)
        changed = looked_at._replace(findings=dataclasses.replace(looked_at.findings, costs=found))
        groups = found[(found["perturbation"] == "drug <b>&amp;</b>") & (found["responds"] == "yes, by features")]
        named = [name for name in groups.sort_values("cost", ascending=False)["group"] if name != "all"]
        lines = _summary._lines(changed, "drug <b>&amp;</b>")
        assert lines[0].startswith(f"Acts most on {named[0]} (distance ")
        assert f"By single features only: {_summary.listed(named)}; as a whole, their cells" in " ".join(lines)
        assert any(line.startswith("Up: ") for line in lines)
        assert "of them on single features only." in plain(_summary.summary(changed))

    def test_without_groups(self, fitted: AnnData, look: Look) -> None:
        lines = _summary._lines(look(fitted, groupby=None), "drug <b>&amp;</b>")
        assert lines[0].startswith("It moves cells by more than noise: distance ")
        assert lines[1].startswith("Up: ")

    def test_counts_are_named_first(self, fitted: AnnData, look: Look) -> None:
        adata = cs.datasets.simulate(240, 12)
        adata.X = np.round(np.expm1(adata.X.toarray()))
        cs.pp.split(adata)
        cs.pp.represent(adata, n_components=3)
        cs.tl.cellot(adata, solver="mean_shift")
        assert _summary.summary(look(adata)).startswith("<p><strong>Look at the expression first</strong>: X ")


def test_held_out_by_name_and_nothing_judged(fitted: AnnData, look: Look) -> None:
    adata = fitted.copy()
    cs.pp.split(adata, holdout={"patient": "patient_2"})
    text = plain(_summary.summary(look(adata)))
    ood = adata.obs[adata.obs["split"] == "ood"]
    n_control = int((ood["perturbation"] == "control").sum())
    assert f"Held out: patient_2 ({n_control} control and {len(ood) - n_control} treated cells" in text
    assert _summary.NOT_JUDGED in text

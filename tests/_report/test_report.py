from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _report, cli
from cellot_sc.tl._fit import store
from cellot_sc.tl._fit.standalone import standalone


def test_sections(report: _report.Report) -> None:
    assert [(item.name, item.figure is not None, item.table != "") for item in report.items] == [
        ("fits", False, True),
        ("evaluation", True, False),
        ("evaluation_groups", True, False),
        ("scores", False, True),
        ("embedding", True, False),
        ("embedding_groups", True, False),
        ("marginals", True, False),
        ("responses", True, False),
        ("support", False, True),
        ("transport_cost", True, True),
        ("subpopulation_effects", True, True),
        ("volcano", True, False),
        ("effect_clusters", True, False),
        ("composition", True, False),
    ]
    assert all(item.meaning.endswith(".") for item in report.items)
    assert plt.get_fignums() == []


def test_groups_only_where_there_are(fitted: AnnData) -> None:
    adata = fitted.copy()
    del adata.obs["cell_type"]
    report = _report.compose(adata, n_boot=0)
    names = [item.name for item in report.items]
    assert {"evaluation_groups", "subpopulation_effects"}.isdisjoint(names) and "transport_cost" in names
    assert set(report.scores["group"]) == {"all"}


def test_maps_without_the_cells_that_they_were_fitted_to(
    fitted: AnnData, tmp_path: Path, parse: Callable[[str], Any]
) -> None:
    new = fitted[fitted.obs["split"] == "test"].copy()
    new.obs["split"] = "ood"
    new.uns = {name: fitted.uns[name] for name in ("X_cellot", "cellot")}
    store.save(new, "cellot", standalone(cs.tl.maps(fitted), fitted))
    del new.obs["cell_type"]
    # patients answer for scores, and what they would be exchanged in is not here
    report = _report.compose(new, unit="patient", n_boot=5)
    assert (report.units.tested, report.units.judged) == (None, "patient")
    report.write(tmp_path / "page.html", title="another file")
    text = parse((tmp_path / "page.html").read_text(encoding="utf-8")).text
    assert text.count("The maps come from a model: the train cells are not here") == 1
    assert "were those that maps of a model were applied to" in text
    assert "maps between random halves of the control train cells" in text


class TestSplit:
    @staticmethod
    def choose(adata: AnnData) -> str:
        return _report._unseen(adata, cs.tl.maps(adata))

    def test_held_out_cells_are_judged_by_where_there_are(self, fitted: AnnData) -> None:
        adata = fitted.copy()
        assert self.choose(adata) == "test"
        adata.obs["split"] = adata.obs["split"].astype(str)
        of_patient = (adata.obs["patient"] == "patient_0").to_numpy()
        adata.obs.loc[of_patient & (adata.obs["perturbation"] == "drug_b").to_numpy(), "split"] = "ood"
        # without control cells, nothing can be predicted
        assert self.choose(adata) == "test"
        adata.obs.loc[of_patient, "split"] = "ood"
        assert self.choose(adata) == "ood"

    def test_cells_that_the_fit_has_seen_judge_nothing(self, fitted: AnnData) -> None:
        with pytest.raises(ValueError, match="split 'tset' is unknown. Did you mean 'test'"):
            _report.compose(fitted, split="tset")
        with pytest.raises(ValueError, match="split 'train' is unknown"):
            _report.compose(fitted, split="train")


@pytest.mark.slow
def test_report_of_34_perturbations_is_not_too_big(parse: Callable[[str], Any], tmp_path: Path) -> None:
    names = [f"drug_{i:02d}" for i in range(34)]
    adata = cs.datasets.simulate(35 * 30, 15, perturbations=names, n_cell_types=2, n_patients=2)
    cs.pp.split(adata, test_fraction=0.3)
    cs.pp.represent(adata, n_components=3)
    cs.tl.cellot(adata, solver="mean_shift")
    report = _report.compose(adata, n_boot=0)
    report.write(tmp_path / "report.html", title="Many")
    assert (tmp_path / "report.html").stat().st_size < 5e6
    page = parse((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert len(page.table("how the fit went")) == 35


@pytest.mark.filterwarnings("ignore")
def test_maps_of_moscot_are_reported(tmp_path: Path) -> None:
    from moscot.problems.time import TemporalProblem

    adata = cs.datasets.simulate_branching(240, 20)
    cs.pp.split(adata, "time", control="0")
    cs.pp.represent(adata, n_components=4)
    adata.obs["time"] = adata.obs["time"].astype("category")
    problem: Any = TemporalProblem(adata)  # type: ignore[abstract]
    cs.tl.from_moscot(problem.prepare("time", joint_attr="X_cellot").solve(epsilon=0.05))
    adata.write_h5ad(tmp_path / "cells.h5ad")
    page = tmp_path / "page.html"
    with pytest.raises(SystemExit) as end:
        cli.main(["report", str(tmp_path / "cells.h5ad"), "--out", str(page), "--key", "moscot"])
    assert end.value.code == 0
    assert "(solver moscot; seed 0)" in page.read_text(encoding="utf-8")


def test_cells_of_which_none_is_treated_are_not_judged(
    fitted: AnnData, parse: Callable[[str], Any], tmp_path: Path
) -> None:
    cells = fitted[fitted.obs["perturbation"] == "control", fitted.var_names != "gene_03"]
    new = AnnData(cells.X.copy(), obs=cells.obs[["cell_type", "patient"]].copy(), var=cells.var.copy())
    model = cs.Model.of(fitted)
    cs.tl.attach(new, model)
    report = _report.compose(new, n_boot=20)
    assert report.scores.empty
    names = [item.name for item in report.items]
    assert names[:4] == ["fits", "support", "transport_cost", "subpopulation_effects"]
    report.write(tmp_path / "page.html", title="New")
    text = parse((tmp_path / "page.html").read_text(encoding="utf-8")).text
    assert "No cell here is treated: nothing was judged" in text
    assert "solver gaussian · not judged" in text
    assert "1 of 60 genes were not measured in these cells ('gene_03')" in text
    assert "Intervals of scores" not in text and "observed treated cells of the same split" not in text
    new.write_h5ad(tmp_path / "new.h5ad")
    with pytest.raises(SystemExit) as end:
        cli.main(["report", str(tmp_path / "new.h5ad")])
    assert end.value.code == 0


class TestPublic:
    def test_writes_a_page_and_returns_scores(self, fitted: AnnData, tmp_path: Path) -> None:
        path = tmp_path / "page.html"
        scores = cs.report(fitted, path, metrics=["l2_stds"], n_boot=0, title="Mine", source="some cells")
        assert {"l2_stds", "energy_distance"} <= set(scores["metric"])
        text = path.read_text(encoding="utf-8")
        assert "<title>Mine</title>" in text and "some cells" in text
        with pytest.raises(FileExistsError, match=r"exists; overwrite=True replaces it\."):
            cs.report(fitted, path)
        assert path.read_text(encoding="utf-8") == text

    def test_refuses_before_anything_is_computed(self, fitted: AnnData, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="ends in '.pdf'"):
            cs.report(fitted, tmp_path / "page.pdf")
        assert [*tmp_path.iterdir()] == []

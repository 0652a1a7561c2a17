from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _report
from cellot_sc._report._units import Answering, passed_over


def of(adata: AnnData, unit: str | None = None, *, split: str = "test", groupby: str | None = None) -> Answering:
    return Answering.of(adata, cs.tl.maps(adata), unit, split=split, groupby=groupby)


def test_patients_answer_where_there_are_some(fitted: AnnData) -> None:
    adata = fitted.copy()
    assert of(adata) == ("patient", "patient")
    assert of(adata, "cell_type") == ("cell_type", "cell_type")
    # where each patient is a group, none answers for it, unless one says so
    assert of(adata, groupby="patient") == (None, None)
    assert of(adata, "patient", groupby="patient") == ("patient", "patient")
    adata.obs["patient"] = "one"
    assert of(adata) == (None, None)
    # no condition may be without
    adata.obs["patient"] = np.where(adata.obs["perturbation"] == "control", None, fitted.obs["patient"])
    assert of(adata) == (None, None)
    del adata.obs["patient"]
    assert of(adata) == (None, None)
    with pytest.raises(KeyError, match="unit 'celltype' is not in adata.obs. Did you mean 'cell_type'"):
        of(adata, "celltype")


def test_judged_cells_of_one_patient_answer_for_themselves(fitted: AnnData) -> None:
    adata = fitted.copy()
    held_out = adata.obs["patient"] == "patient_0"
    adata.obs["split"] = adata.obs["split"].astype(str).where(~held_out, "ood")
    assert of(adata, split="ood") == of(adata, "patient", split="ood") == ("patient", None)
    assert of(adata, split="test") == ("patient", "patient")
    # cells of nobody cannot be resampled with their patient
    adata.obs["patient"] = adata.obs["patient"].astype(object).where(np.arange(adata.n_obs) > 0)
    assert of(adata, split="test") == ("patient", None)


def test_a_course_in_time_has_none_of_itself() -> None:
    course = cs.datasets.simulate_branching(200, 10)
    course.obs["patient"] = np.arange(course.n_obs) % 3
    cs.tl.trajectory(course, solver="gaussian", use_rep="X", key_added="cellot")
    assert of(course) == (None, None)


def test_columns_that_may_answer_are_named(fitted: AnnData) -> None:
    adata = fitted.copy()
    del adata.obs["patient"]
    fit = cs.tl.maps(adata).fit
    assert passed_over(adata, fit, groupby=None) == ""
    # one in each condition cannot answer, nested ones can
    adata.obs["mouse"] = adata.obs["perturbation"].astype(str)
    assert passed_over(adata, fit, groupby=None) == ""
    adata.obs["mouse"] = adata.obs["mouse"] + (np.arange(adata.n_obs) % 3).astype(str)
    text = passed_over(adata, fit, groupby=None)
    assert "Intervals and tests are over cells: where cells of one “mouse” are alike, they are too narrow." in text
    assert text.endswith("obs['mouse'] may be what answers for them: --unit mouse (unit='mouse').")
    assert passed_over(adata, fit, groupby="mouse") == ""


def test_a_page_names_them_first(fitted: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    adata = fitted.copy()
    adata.obs["replicate"], adata.obs["cell_type"] = adata.obs.pop("patient"), "T"
    report = _report.compose(adata, n_boot=2)
    assert report.summary.startswith("<p>Intervals and tests are over cells: where cells of one “replicate” are alike")
    assert "obs['replicate'] may be what answers for them" in caplog.text
    # and the only cell type is all cells once more
    assert set(report.scores["group"]) == {"all"} and "Too few test cells" not in report.summary
    assert "subpopulation_effects" in {item.name for item in report.items}


def test_a_report_says_who_answers(fitted: AnnData) -> None:
    """With two animals, one in each condition, nothing is called, and the page says so."""
    adata = fitted.copy()
    adata.obs["animal"] = np.where(adata.obs["perturbation"] == "control", "a", "b")
    report = _report.compose(adata, unit="animal", n_boot=5)
    items = {item.name: item for item in report.items}
    assert "tested over units of “animal” (2 behind an effect)" in items["subpopulation_effects"].meaning
    assert "too few for any p-value of “drug <b>&amp;</b>”, “drug_b”." in items["subpopulation_effects"].meaning
    assert "intervals over resampled units of “animal”." in items["evaluation"].meaning
    assert report.units == ("animal", "animal")

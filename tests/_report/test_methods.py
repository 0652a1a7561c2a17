from __future__ import annotations

import dataclasses
import importlib.metadata
from typing import Any

import numpy as np
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _report
from cellot_sc._report import _methods
from cellot_sc._report._units import Answering


class TestMethods:
    def test_name_what_was_done_and_with_what(self, page: Any, fitted: AnnData) -> None:
        n_test = {
            name: int((fitted.obs["split"] == "test")[of.index].sum())
            for name, of in fitted.obs.groupby("perturbation", observed=True)
        }
        for part in (
            "600 cells with 60 features were split into ",
            "Of the cells of each perturbation, 30\N{NO-BREAK SPACE}% were drawn as test cells and "
            "10\N{NO-BREAK SPACE}% as validation cells, at random within each perturbation (seed 0).",
            "8 dimensions (X_cellot, pca of train cells)",
            f"with cellot-sc {cs.__version__} (solver gaussian: optimal affine map between Gaussians; seed 0)",
            f"anndata {importlib.metadata.version('anndata')}",
            f"jax {importlib.metadata.version('jax')}",
            f"predictions for {n_test.pop('control')} control cells of the test split",
            f"with {sum(n_test.values())} observed treated cells",
            "within categories of 'cell_type'",
            "over 20 resamples of categories of 'patient'",
            "under maps refitted after exchanging control and treated cells of whole categories of 'patient'",
            "by t-tests of categories of 'patient' (treated less control) with variances moderated over features",
            "energy distance (Székely and Rizzo 2013)",
            "treated train cells were compared with the same treated cells",
            "Bunne, C. et al.",
            "https://doi.org/10.1038/s41592-023-01969-x",
        ):
            assert part in page.text
        # the fit itself is no control
        assert (
            "fitted to the same train cells were identity (every cell stays), mean shift (every cell moves alike), "
            "mean shift per context (every cell moves as its context does) and Gaussian map per context" in page.text
        )

    def test_name_what_was_weighed_and_what_had_maps_of_its_own(self, report: _report.Report) -> None:
        fit = dataclasses.replace(
            report.fitted.fit, context=("cell_type", "patient"), source_weights="survival", feature_weights=(1.0,) * 8
        )
        changed = dataclasses.replace(report.fitted, fit=fit)
        text, _ = _methods.paragraph(
            report.adata,
            report.scores.assign(split="ood"),
            changed,
            metrics=report.metrics,
            groupby=None,
            units=Answering(None, None),
            n_boot=0,
            versions={},
        )
        assert "Categories of 'cell_type' and 'patient' have maps of their own, partially pooled" in text
        assert "Train cells were weighed by 'survival'." in text
        assert "weighed by unbalanced transport between clusters (Chizat et al. 2018)" in text
        assert "The cost weighed dimensions differently." in text
        assert "control cells that were held out were compared with" in text and "ood" not in text
        assert "random halves of these treated cells" in text
        assert "resamples" not in text and "tested" not in text
        assert "under maps between random halves of the control train cells" in text

    def test_name_how_raw_counts_were_prepared(self, fitted: AnnData) -> None:
        adata = fitted.copy()
        assert _methods._preparation_text(adata) == ""
        adata.uns["preparation"] = {
            **{"kept": np.array(["demuxlet=SNG"], dtype=object), "n_cells_left_out": 1234, "normalized": True},
            **{"target_sum": 1e4, "log1p": True, "n_top_genes": 1000},
        }
        assert _methods._preparation_text(adata) == (
            "Before, cells were kept of which demuxlet=SNG (1,234 others were left out), counts were normalised to a "
            "total of 10,000 counts per cell, log(1 + x) was taken and the 1,000 most variable genes of train cells "
            "were kept."
        )
        adata.uns["preparation"] = {"kept": np.array([], dtype=object), "normalized": False, "log1p": True}
        assert _methods._preparation_text(adata) == "Before, log(1 + x) was taken."

    def test_every_solver_and_metric_cites_what_is_known(self) -> None:
        cited = [solver.cites for solver in cs.ot.SOLVERS.values()]
        cited += [metric.cites for metric in cs.metrics.METRICS.values()]
        named = [name for names in cited for name in names]
        cite = _methods.Citations()
        assert cite(*named).count(";") == len(named) - 1
        assert len(cite.cited) == len(set(named))
        assert _methods.references(cite).count("<li>") == len(set(named))

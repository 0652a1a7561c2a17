from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

import cellot_sc as cs
from cellot_sc._report import _fits
from cellot_sc.tl._fit import store


class TestFits:
    HISTORY = (
        ("drug_b", 0, 0.0, "loss", 3.0), ("drug_b", 0, 0.0, "validation", 0.5), ("drug_b", 50, 1.5, "loss", 1.0),
        ("drug_b", 50, 1.5, "validation", 0.25), ("drug_b", 99, 3.0, "loss", 2.0),
        ("drug_b", 99, 3.0, "validation", 0.75), ("drug_b", 50, np.nan, "selected", 50.0),
        ("drug_a", 0, np.nan, "selected", 0.0),
    )  # fmt: skip

    def history(self, name: str) -> pd.DataFrame:
        table = pd.DataFrame(self.HISTORY, columns=store.HISTORY_COLUMNS)
        return table[table["perturbation"] == name]

    def course(self, name: str, fitted: cs.ot.TransportMap) -> list[tuple[str, float | None, str]]:
        return [(cell.text, cell.value, cell.note) for cell in _fits._course(self.history(name), fitted)]

    def test_course(self) -> None:
        network = cs.ot.MeanShiftMap(np.zeros(2))
        assert self.course("drug_b", network) == [
            ("step 50 of 99", None, ""), ("0.25", 0.25, "0.5 at first"), ("3", 3.0, ""),
        ]  # fmt: skip
        affine = cs.ot.AffineMap(np.eye(2), np.zeros(2), np.zeros(2))
        text, validation, _ = self.course("drug_b", affine)
        assert (text[0], validation[1]) == ("affine map: no better in 99 steps", 0.5)
        assert self.course("drug_a", affine)[0][0] == "affine map: it explains the cells"
        # of a network that nobody looked at on the way
        assert self.course("drug_a", network)[0][0].startswith("step ")
        assert self.course("other", affine)[0][0] == "closed form: no steps"

    def test_candidates(self) -> None:
        rows = [
            ("a", i, 0.5, metric, value) for i, value in enumerate((0.1, 0.2)) for metric in ("epsilon", "validation")
        ]
        table = pd.DataFrame([*rows, ("a", 1, np.nan, "selected", 1.0)], columns=store.HISTORY_COLUMNS)
        text, kept, _ = _fits._course(table, cs.ot.MeanShiftMap(np.zeros(2)))
        assert (text.text, kept.value, kept.note) == ("epsilon 0.2, of 2 tried", 0.2, "0.1 at first")

    def test_table_counts_cells(self, page: Any, fitted: AnnData) -> None:
        head, *rows = page.table("how the fit went")
        assert head[:4] == ["perturbation", "train", "valid", "test"]
        counts = pd.crosstab(fitted.obs["perturbation"], fitted.obs["split"]).loc["drug_b"]
        [row] = [row for row in rows if row[0] == "drug_b"]
        assert row[1:5] == [
            *(str(counts[part]) for part in ("train", "valid", "test")),
            "closed form: no steps",
        ]

    def test_closed_forms_have_no_empty_columns(self, page: Any) -> None:
        [head] = [rows[0] for rows in page.tables if "how the fit went" in rows[0]]
        assert head[-1] == "how the fit went"
        assert "chosen by validation cells" not in page.text and "“Validation” is" not in page.text

    def test_held_out_cells_are_called_so(self, fitted: AnnData) -> None:
        adata = fitted.copy()
        adata.obs["split"] = adata.obs["split"].astype(str).replace("valid", "ood")
        [item] = _fits.draw(adata, cs.tl.maps(adata), key="cellot")
        assert ">held out<" in item.table and ">ood<" not in item.table

    @staticmethod
    def ending(fitted: AnnData, values: list[float], steps: list[int], *, affine: bool = False) -> _fits.Ending:
        """Return how a fit of 1,000 steps ended that saw these values at these steps."""
        maps = cs.tl.maps(fitted)
        rows = [("drug_b", step, 0.0, "loss", 1.0) for step in steps]
        rows += [("drug_b", step, 0.0, "validation", value) for step, value in zip(steps, values, strict=True)]
        history = pd.DataFrame(rows, columns=store.HISTORY_COLUMNS)
        own = cs.ot.AffineMap(np.eye(8), np.zeros(8), np.zeros(8)) if affine else cs.ot.MeanShiftMap(np.zeros(8))
        fit = dataclasses.replace(maps.fit, solver="icnn", options={"n_steps": 1000})
        changed = dataclasses.replace(maps, history=history, maps={**maps.maps, "drug_b": own}, fit=fit)
        return _fits.ending(changed, "drug_b")

    def test_endings(self, fitted: AnnData) -> None:
        falling = self.ending(fitted, [1.0, 0.5, 0.4], [0, 500, 1000])
        assert falling.is_open and "at its last step, 1,000, while it was still improving: more steps may help" in (
            falling.text
        )
        # less than a twentieth of what was gained in all
        assert self.ending(fitted, [1.0, 0.5, 0.49], [0, 500, 1000]).short == "ended"
        assert self.ending(fitted, [1.0, 0.5, 0.6], [0, 500, 1000]).short == "ended"
        assert self.ending(fitted, [1.0, 0.5, 0.6], [0, 300, 600]).short == "early"
        assert self.ending(fitted, [1.0, 1.5, 1.4], [0, 500, 1000], affine=True) == _fits.START_KEPT
        assert self.ending(fitted, [], [], affine=True) == _fits.CLOSED
        assert self.ending(fitted, [np.nan] * 2, [0, 1000]) == _fits.UNKNOWN
        assert _fits.ending(cs.tl.maps(fitted), "drug_b") == _fits.CLOSED

    def test_a_map_of_contexts_is_affine_if_all_are(self) -> None:
        shift, affine = cs.ot.MeanShiftMap(np.zeros(2)), cs.ot.AffineMap(np.eye(2), np.zeros(2), np.zeros(2))
        assert _fits.is_affine(cs.ot.ContextMap(affine, [affine], ["a"]))
        assert not _fits.is_affine(cs.ot.ContextMap(affine, [affine, shift], ["a", "b"]))

    def test_figure_of_steps_says_what_it_leaves_out(self, fitted: AnnData) -> None:
        adata = fitted.copy()
        adata.uns["cellot"]["history"] = pd.DataFrame(self.HISTORY, columns=store.HISTORY_COLUMNS)
        [_, figure] = _fits.draw(adata, cs.tl.maps(adata), key="cellot")
        assert figure.name == "history" and "not shown needed no steps" in figure.meaning
        # no network was fitted at all
        adata.uns["cellot"]["history"] = self.history("drug_a")
        assert [item.name for item in _fits.draw(adata, cs.tl.maps(adata), key="cellot")] == ["fits"]

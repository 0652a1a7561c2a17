from __future__ import annotations

import logging

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs


@pytest.fixture
def cells() -> AnnData:
    """Simulated cells at three doses, not yet fitted."""
    return cs.datasets.simulate_doses(30, 4, doses=(1, 10, 100), n_replicates=2)


def fit(adata: AnnData, **kwargs: object) -> None:
    cs.tl.dose_response(adata, **{"solver": "mean_shift", "use_rep": "X"} | kwargs)  # type: ignore[arg-type]


def test_maps_lead_from_untreated_cells_to_every_dose(cells: AnnData) -> None:
    fit(cells)
    assert set(cells.obs["dose_response_condition"]) == {
        "control", *(f"{name} {dose}" for name in ("drug_a", "inert") for dose in (1, 10, 100))
    }  # fmt: skip
    assert set(cells.uns["dose_response"]["families"]["0"]["fit"]["maps"]) == {"0", "1", "2"}
    fit(cells, seed=1)
    with pytest.raises(ValueError, match="would overwrite maps to doses"):
        cs.tl.cellot(cells, solver="mean_shift", use_rep="X", key_added="dose_response")


def test_the_lowest_dose_is_the_source_where_no_cell_is_untreated(cells: AnnData) -> None:
    treated = cells[cells.obs["perturbation"] != "control"].copy()
    with pytest.raises(ValueError, match="control 'control' is not a category"):
        fit(treated)
    fit(treated, control=None)
    family = treated.uns["dose_response"]["families"]["0"]
    assert family["fit"]["control"] == "drug_a 1" and family["doses"].tolist() == [1, 10, 100]
    predicted = cs.tl.predict_dose(treated, 30.0)
    assert predicted.n_obs == int((treated.obs["dose"] == 1).sum())


@pytest.mark.parametrize("kind", [str, lambda dose: f"{dose:g} nM" if dose else "0", "category", np.float32])
def test_doses_may_be_numbers_text_or_categories(cells: AnnData, kind: object) -> None:
    doses = cells.obs["dose"]
    cells.obs["dose"] = doses.map(kind) if callable(kind) and not isinstance(kind, type) else doses.astype(kind)
    fit(cells, targets="drug_a")
    assert cells.uns["dose_response"]["families"]["0"]["doses"].tolist() == [0, 1, 10, 100]


def test_untreated_cells_need_no_dose(cells: AnnData) -> None:
    reference = cs.tl.dose_response(cells, solver="mean_shift", use_rep="X", copy=True)
    cells.obs.loc[cells.obs["perturbation"] == "control", "dose"] = np.nan
    fit(cells)
    assert cs.tl.dose_curves(cells).equals(cs.tl.dose_curves(reference))


def test_cell_types_have_curves_of_their_own(cells: AnnData) -> None:
    rng = np.random.default_rng(0)
    cells.obs["kind"] = rng.choice(["x", "y"], cells.n_obs)
    moved = ((cells.obs["kind"] == "y") & (cells.obs["dose"] > 5)).to_numpy()
    cells.X[moved, 3] += 10
    fit(cells, context="kind", solver="group_gaussian", replicate="replicate")
    table = cs.tl.dose_curves(cells).query("feature == 'marker_3' and perturbation == 'inert'").set_index("context")
    assert table.index.tolist() == ["all", "x", "y"]
    top = table["top"].to_dict()
    assert top["y"] > 8 > 1 > top["x"]


def test_a_dose_with_too_few_cells_is_left_out(cells: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    few = np.flatnonzero((cells.obs["perturbation"] == "drug_a") & (cells.obs["dose"] == 10))[8:]
    kept = cells[np.setdiff1d(np.arange(cells.n_obs), few)].copy()
    with caplog.at_level(logging.WARNING, logger="cellot_sc"):
        fit(kept)
    assert "'drug_a 10' (" in caplog.text
    assert kept.uns["dose_response"]["families"]["0"]["doses"].tolist() == [0, 1, 100]


def test_few_doses_without_replicates_cannot_tell(cells: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="cellot_sc"):
        fit(cells)
    assert "cannot tell a trend" in caplog.text
    table = cs.tl.dose_curves(cells)
    assert table["pvalue"].isna().all() and (table["bound"] == "unknown").all() and "flat" not in set(table["curve"])


def test_what_cannot_be_meant_is_refused(cells: AnnData) -> None:
    before = cells.copy()
    with pytest.raises(ValueError, match="has cells of one dose only"):
        fit(cells[(cells.obs["dose"] == 1) & (cells.obs["perturbation"] == "inert")].copy(), control=None)
    with pytest.raises(KeyError, match="Did you mean 'dose'"):
        fit(cells, dose_key="doze")
    with pytest.raises(ValueError, match="context 'dose' is the dose_key"):
        fit(cells, context="dose")
    with pytest.raises(TypeError, match="penalty"):
        fit(cells, penalty=3)
    assert cells.obs.equals(before.obs) and set(cells.uns) == set(before.uns)

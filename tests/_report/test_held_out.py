from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc._report import _held_out


@pytest.fixture
def adata(simulated: AnnData) -> Iterator[AnnData]:
    adata = simulated.copy()
    adata.obs["batch"] = np.where(adata.obs["patient"].isin(["patient_1", "patient_3"]), 1, 2)
    cs.pp.split(adata, holdout={"batch": 1}, stratify_by="cell_type", seed=4)
    cs.tl.cellot(adata, solver="identity")
    yield adata


def test_split_says_who(adata: AnnData) -> None:
    fit = cs.tl.maps(adata).fit
    assert _held_out.held_out(adata, fit) == {"batch": ["1"]}
    assert _held_out.sentence(adata, fit) == (
        "Cells of batch 1 were held out; of the others, 20\N{NO-BREAK SPACE}% were drawn as test cells and "
        "10\N{NO-BREAK SPACE}% as validation cells, at random within each perturbation and cell_type (seed 4)."
    )


def test_else_labels_do(adata: AnnData) -> None:
    fit = cs.tl.maps(adata).fit
    del adata.uns["split"]
    # of columns that tell held-out cells from others, the one with the fewest groups; a barcode names no group
    adata.obs["barcode"] = [f"c{i}" for i in range(adata.n_obs)]
    assert _held_out.held_out(adata, fit) == {"batch": ["1"]}
    del adata.obs["batch"]
    assert _held_out.held_out(adata, fit) == {"patient": ["patient_1", "patient_3"]}
    del adata.obs["patient"]
    assert _held_out.held_out(adata, fit) == {}
    assert _held_out.sentence(adata, fit) == ""


def test_labels_correct_what_was_asked_for_before(adata: AnnData) -> None:
    fit = cs.tl.maps(adata).fit
    held = (adata.obs["patient"] == "patient_2").to_numpy()
    adata.obs["split"] = np.where(held, "ood", np.where(adata.obs["split"] == "ood", "train", adata.obs["split"]))
    assert _held_out.held_out(adata, fit) == {"patient": ["patient_2"]}


def test_nobody(simulated: AnnData) -> None:
    adata = simulated.copy()
    cs.pp.split(adata, valid_groups={"patient": "patient_0"})
    cs.tl.cellot(adata, solver="identity")
    fit = cs.tl.maps(adata).fit
    assert _held_out.held_out(adata, fit) == {}
    assert _held_out.sentence(adata, fit) == (
        "Those of patient_0 were validation cells; of the others, 20\N{NO-BREAK SPACE}% were drawn as test cells, at "
        "random within each perturbation (seed 0)."
    )


def test_words() -> None:
    groups = {"patient": ["101", "107", "1015"], "day": ["day 2"]}
    assert _held_out.words(groups) == "patient 101, 107 and 1015 and day 2"

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.tl._fit.tables import keeper

NOT_KEPT = {"dose_curves": "is kept by cs.tl.dose_response", "summarize_scores": "takes a table"}
KEPT: dict[str, Callable[..., Any]] = {
    name: getattr(cs.tl, name)
    for name in cs.tl.__all__
    if "DataFrame" in str(inspect.signature(getattr(cs.tl, name)).return_annotation) and name not in NOT_KEPT
}
SPATIAL = "spatial_effects"
"""Needs squidpy, which the tests do without."""


@pytest.fixture(scope="module")
def tables(fitted: AnnData) -> dict[str, tuple[AnnData, pd.DataFrame]]:
    """By the verb, the cells with what it kept, and the table that it returned."""
    few = {"n_boot": 3}
    course = cs.datasets.simulate_branching(300, 12)
    cs.pp.split(course, "time", control="0")
    cs.tl.trajectory(course, solver="mean_shift", use_rep="X")
    cs.tl.fate(course)
    course.obs["population"] = ["a", "b"] * (course.n_obs // 2)
    doses = cs.datasets.simulate_doses(30, 4, doses=(1, 10, 100), n_replicates=2)
    cs.tl.dose_response(doses, solver="mean_shift", use_rep="X")
    both = cs.datasets.simulate(480, 12, perturbations=("a", "b"), combinations=[("a", "b")])
    cs.pp.split(both)
    cs.tl.cellot(both, targets=["a", "b"], solver="mean_shift", use_rep="X")
    calls: dict[str, tuple[AnnData, dict[str, Any]]] = {
        "abundance_shift": (fitted, few | {"groupby": "cell_type"}),
        "clonal_agreement": (course, few | {"baselines": ["prior"]}),
        "evaluate": (fitted, few | {"metrics": "r_means", "groupby": "cell_type", "unit": "patient"}),
        "interactions": (both, {"groupby": "cell_type"}),
        "judge_combinations": (both, few),
        "judge_doses": (doses, {}),
        "judge_times": (course, few),
        "mmd": (fitted, {"n_boot": 0}),
        "perturbation_similarity": (fitted, {}),
        "responders": (fitted, {"features": "gene_00"}),
        "signature": (fitted, {}),
        "subpopulation_effects": (fitted, {"groupby": "cell_type"}),
        "transfer": (
            course,
            few | {"population_key": "population", "use_rep": "X", "solver": "mean_shift", "metrics": "r_means"},
        ),
        "transport_cost": (fitted, few | {"groupby": "cell_type"}),
    }
    found = {}
    for name, (cells, options) in calls.items():
        adata = cells.copy()
        found[name] = adata, KEPT[name](adata, **options, key_added="kept")
    return found


def test_every_verb_that_returns_a_table_can_keep_it(tables: dict[str, tuple[AnnData, pd.DataFrame]]) -> None:
    assert all("key_added" in inspect.signature(verb).parameters for verb in KEPT.values())
    assert {*tables, SPATIAL} == set(KEPT)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_what_is_kept_is_read_as_it_was_returned(
    tables: dict[str, tuple[AnnData, pd.DataFrame]], suffix: str, tmp_path: Path
) -> None:
    kept = AnnData(uns={name: adata.uns["kept"] for name, (adata, _) in tables.items()})
    getattr(kept, f"write_{suffix}")(tmp_path / f"cells.{suffix}")
    read = getattr(anndata, f"read_{suffix}")(tmp_path / f"cells.{suffix}").uns
    for name, (_, table) in tables.items():
        # zarr says of numbers which byte is first, which is the same dtype
        pd.testing.assert_frame_equal(read[name], table, check_names=name != "perturbation_similarity")
        assert read[name].index.name == table.index.name


def test_what_is_kept_is_drawn_as_it_was_returned(tables: dict[str, tuple[AnnData, pd.DataFrame]]) -> None:
    # of all tables the one that is not kept to the last name
    adata, table = tables["perturbation_similarity"]
    shown = []
    for one in (table, adata.uns["kept"]):
        ax = cs.pl.perturbation_similarity(one, show=False)
        shown.append([label.get_text() for label in [*ax.get_xticklabels(), *ax.get_yticklabels(), *ax.texts]])
    # names of rows and columns, and the number of the drug that is beyond noise
    assert shown[0] == shown[1] and len(shown[0]) == 5


def test_text_without_some_of_it(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    adata = AnnData(np.ones((2, 2), dtype=np.float32))
    table = pd.DataFrame({"name": pd.Series(["a", None, np.nan], dtype=object), "value": [1.0, np.nan, 2.0]})
    with caplog.at_level(logging.INFO, logger="cellot_sc"):
        returned = keeper(adata, "kept", ["name"])(table)
    assert returned is table and caplog.messages == ["added uns['kept']"]
    assert adata.uns["kept"] is not table and table["name"].dtype == object
    adata.write_h5ad(tmp_path / "cells.h5ad")
    pd.testing.assert_frame_equal(anndata.read_h5ad(tmp_path / "cells.h5ad").uns["kept"], adata.uns["kept"])


def test_it_overwrites_an_older_one_and_nothing_else(fitted: AnnData) -> None:
    adata, key = fitted.copy(), "kept"
    cs.tl.transport_cost(adata, n_boot=3, key_added=key)
    again = cs.tl.transport_cost(adata, groupby="cell_type", n_boot=3, key_added=key)
    assert len(adata.uns[key]) == len(again)
    adata.uns["theirs"] = {"params": {}}
    for taken in (key, "cellot", "X_cellot", "theirs"):
        with pytest.raises(ValueError, match=f"key_added '{taken}' would overwrite .*: choose another name"):
            cs.tl.signature(adata, key_added=taken)
        with pytest.raises(ValueError, match=f"key_added '{taken}' would overwrite"):
            cs.tl.perturbation_similarity(adata, key_added=taken)


def test_names_that_no_file_takes(fitted: AnnData) -> None:
    adata = AnnData(np.ones((2, 2), dtype=np.float32))
    names = ["a", "b/c"]
    with pytest.raises(ValueError, match=r"key_added='kept': a column of the table, 'b/c' has '/', with which no file"):
        keeper(adata, "kept")(pd.DataFrame(np.eye(2), index=names, columns=names))
    assert "kept" not in adata.uns


def test_a_view_becomes_cells_of_its_own(fitted: AnnData) -> None:
    view = fitted[:]
    cs.tl.signature(view, key_added="kept")
    assert "kept" in view.uns and "kept" not in fitted.uns

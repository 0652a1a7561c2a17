from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.ot import ChainMap
from cellot_sc.ot._solvers import registry
from cellot_sc.tl import Fit
from cellot_sc.tl._fit import fitting, store
from cellot_sc.tl._fit.prepared import Prepared

FIT = Fit(
    "perturbations",
    "perturbation",
    "control",
    ("drug_a", "drug_b"),
    use_rep="X_cellot",
    split_key="split",
    solver="mean_shift",
)


def kept(adata: AnnData, fit: Fit = FIT, *, copy: bool = False) -> AnnData | None:
    solver = registry.SOLVERS[fit.solver]
    cells = Prepared(AnnData(obs=adata.obs, obsm={fit.use_rep: adata.obsm[fit.use_rep]}), fit.use_rep, [])
    return fitting.fit_and_keep(adata, fit, solver, cells, registry.configure(solver), key_added="maps", copy=copy)


def means(adata: AnnData, name: str) -> np.ndarray:
    rows = (adata.obs["perturbation"] == name) & (adata.obs["split"] == "train")
    return np.asarray(adata.obsm["X_cellot"])[rows.to_numpy()].mean(axis=0)


def test_keeps_a_map_for_every_target(prepared: AnnData) -> None:
    adata = prepared.copy()
    assert kept(adata) is None
    maps = store.maps(adata, "maps").maps
    assert list(maps) == ["drug_a", "drug_b"]
    for name, fitted in maps.items():
        moved = fitted.transport(np.zeros((1, 8), dtype=np.float32))
        np.testing.assert_allclose(moved[0], means(adata, name) - means(adata, "control"), atol=1e-5)


def test_of_a_copy_leaves_the_original(prepared: AnnData) -> None:
    adata = prepared.copy()
    out = kept(adata, copy=True)
    assert out is not None and "maps" in out.uns
    assert "maps" not in adata.uns


def test_steps_of_a_time_course_are_chained(prepared: AnnData) -> None:
    adata = prepared.copy()
    kept(adata, dataclasses.replace(FIT, kind="time course", times=(0.0, 1.0, 2.0)))
    first, both = store.maps(adata, "maps").maps.values()
    assert isinstance(both, ChainMap) and len(both.steps) == 2
    x = np.zeros((1, 8), dtype=np.float32)
    np.testing.assert_allclose(both.steps[0].transport(x), first.transport(x), rtol=1e-6)
    np.testing.assert_allclose(both.transport(x)[0], means(adata, "drug_b") - means(adata, "control"), atol=1e-5)


def test_says_what_was_added(prepared: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cellot_sc"):
        kept(prepared.copy())
    assert caplog.messages == ["added uns['maps'] with 2 mean_shift maps on 'X_cellot'"]


def test_shows_what_goes_on_where_that_is_wanted(prepared: AnnData, capsys: pytest.CaptureFixture[str]) -> None:
    for wanted in (True, False):
        with cs.settings.override(progress=wanted):
            kept(prepared.copy())
        assert ("mean_shift: fitting" in capsys.readouterr().err) == wanted

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from anndata import AnnData
from anndata.io import write_elem

import cellot_sc as cs
from cellot_sc import _chunks
from cellot_sc.ot._loop.pool_size import SHARE

QUICK: dict[str, Any] = {
    "match_abundance": False,
    "n_steps": 20,
    "min_steps": 10,
    "check_every": 10,
    "penalties": (1.0,),
    "width": 8,
}


@pytest.fixture
def on_disk(simulated: AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[AnnData, AnnData]:
    """Cells in memory, and with their expression on disk; more than that of 64 cells is not taken into memory."""
    monkeypatch.setattr(_chunks, "MAX_VALUES", 2000)
    inside = simulated.copy()
    inside.X = np.asarray(inside.X.toarray() if hasattr(inside.X, "toarray") else inside.X, dtype=np.float32)
    cs.pp.split(inside)
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    write_elem(group, "X", inside.X)
    outside = AnnData(group["X"], obs=inside.obs.copy(), var=inside.var.copy())
    monkeypatch.setattr(cs.settings, "cells_in_memory", 4 * SHARE * 30 * inside.n_vars // 16)
    return inside, outside


@pytest.mark.parametrize("solver", ["mean_shift", "gaussian"])
@pytest.mark.parametrize("feature_weights", [None, np.linspace(0.5, 2, 60)])
def test_closed_forms_are_those_of_cells_in_memory(
    on_disk: tuple[AnnData, AnnData], solver: str, feature_weights: Any
) -> None:
    inside, outside = on_disk
    x = inside.X
    for adata in on_disk:
        cs.tl.cellot(adata, solver=solver, use_rep="X", feature_weights=feature_weights)
    for name, fitted in cs.tl.maps(inside).items():
        np.testing.assert_allclose(cs.tl.maps(outside)[name].transport(x), fitted.transport(x), atol=1e-4)


def test_a_streamed_fit_says_so_and_is_the_same_in_any_order(
    on_disk: tuple[AnnData, AnnData], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = on_disk
    said: list[str] = []
    monkeypatch.setattr(cs._settings.logger, "info", lambda text, *given: said.append(text % given))
    x = inside.X[:50]
    moved = []
    for targets in (["drug_a", "drug_b"], ["drug_a", "drug_b"], ["drug_b", "drug_a"]):
        cs.tl.cellot(outside, targets=targets, use_rep="X", **QUICK)
        moved.append(cs.tl.maps(outside)["drug_a"].transport(x))
    assert (moved[0] == moved[1]).all()
    assert (moved[0] == moved[2]).all()
    assert any("the fit is streamed, by pools of at most 1 cells" in text for text in said)


def test_what_fits_into_memory_is_taken_as_ever(
    on_disk: tuple[AnnData, AnnData], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = on_disk
    monkeypatch.setattr(cs.settings, "cells_in_memory", 2**30)
    for adata in on_disk:
        cs.tl.cellot(adata, solver="gaussian", use_rep="X")
    for name, fitted in cs.tl.maps(inside).items():
        assert (cs.tl.maps(outside)[name].transport(inside.X) == fitted.transport(inside.X)).all()


def test_solvers_that_need_all_cells_say_what_that_takes(on_disk: tuple[AnnData, AnnData]) -> None:
    _, outside = on_disk
    with pytest.raises(ValueError, match=r"'entropic' needs its \d+ cells of 60 dimensions in memory.*'icnn'"):
        cs.tl.cellot(outside, solver="entropic", use_rep="X")
    with pytest.raises(ValueError, match=r"'icnn' with contexts needs"):
        cs.tl.cellot(outside, use_rep="X", context="cell_type")


def test_an_ordinary_fit_imports_nothing_of_it() -> None:
    code = (
        "import sys, cellot_sc as cs; a = cs.datasets.simulate(300, 30); cs.tl.cellot(a, solver='mean_shift');"
        "print([name for name in ('annbatch', 'dask', 'zarr') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "annbatch" not in done.stdout.splitlines()[-1]

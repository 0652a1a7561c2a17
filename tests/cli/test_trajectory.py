from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest

import cellot_sc as cs

if TYPE_CHECKING:
    from tests.cli.conftest import Run


@pytest.fixture(scope="module")
def times(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells of three times."""
    path = tmp_path_factory.mktemp("times") / "cells.h5ad"
    cs.datasets.simulate_branching(300, 20).write_h5ad(path)
    return path


def test_maps_and_fates(run: Run, times: Path, tmp_path: Path) -> None:
    new = tmp_path / "times.h5ad"
    out = run.well("trajectory", times, new, "--solver", "mean_shift", "--groupby", "cell_type", "--fate", "fate_a",
                   "--fate", "fate_b", "--key", "course")  # fmt: skip
    assert out.endswith(f"wrote {new}\n")
    adata, alone = anndata.read_h5ad(new), anndata.read_h5ad(times)
    cs.tl.trajectory(alone, solver="mean_shift", key_added="course")
    cs.tl.fate(alone, "cell_type", fates=["fate_a", "fate_b"], key="course")
    np.testing.assert_array_equal(adata.obsm["fate"], alone.obsm["fate"])
    assert adata.uns["fate"]["fates"].tolist() == ["fate_a", "fate_b"]
    assert "exists; --overwrite replaces it" in run.badly("trajectory", times, new)


def test_no_fates_unless_they_are_asked_for(run: Run, times: Path, tmp_path: Path) -> None:
    new = tmp_path / "times.zarr"
    run.well("trajectory", times, new, "--solver", "mean_shift", "--order", "0", "--order", "1", "--order", "2")
    adata = anndata.read_zarr(new)
    assert "trajectory" in adata.uns and "fate" not in adata.obsm


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--time-key tme", "--time-key 'tme' is not in obs. Did you mean 'time'?"),
        ("--groupby celltype", "--groupby 'celltype' is not in obs. Did you mean 'cell_type'?"),
        ("--fate fate_a", "--fate names labels of a column: give --groupby, too."),
        ("--groupby cell_type --fate fate_z --solver mean_shift", "--fate 'fate_z' is unknown."),
        ("--time-key cell_type", "give --order, from the earliest to the latest."),
        ("--solver icn", "--solver 'icn' is unknown. Did you mean 'icnn'?"),
        ("--set time_key=x", "no option 'time_key'"),
        ("--set key_added=x", "'key_added' is none: give --key."),
        ("--growth survival", "--growth 'survival' is neither"),
    ],
)
def test_what_cannot_be(run: Run, times: Path, tmp_path: Path, options: str, words: str) -> None:
    assert words in run.badly("trajectory", times, tmp_path / "new.h5ad", *options.split())
    assert list(tmp_path.iterdir()) == []

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest

import cellot_sc as cs

if TYPE_CHECKING:
    from tests.cli.conftest import Run


class TestPredict:
    @pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
    def test_round_trip(self, run: Run, fitted_file: Path, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"predicted{suffix}"
        run.well("predict", fitted_file, path, "--target", "drug_a")
        found = anndata.read_h5ad(path) if suffix == ".h5ad" else anndata.read_zarr(path)
        expected = cs.tl.predict(anndata.read_h5ad(fitted_file), "drug_a")
        np.testing.assert_array_equal(found.X, expected.X)
        assert found.obs_names.tolist() == expected.obs_names.tolist()
        assert set(found.obs["perturbation"]) == {"drug_a"}

    def test_all_targets_of_a_zarr_file(self, run: Run, fitted_file: Path, tmp_path: Path) -> None:
        anndata.read_h5ad(fitted_file).write_zarr(tmp_path / "fitted.zarr")
        run.well("predict", tmp_path / "fitted.zarr", tmp_path / "all.h5ad")
        found = anndata.read_h5ad(tmp_path / "all.h5ad")
        assert found.obs["perturbation"].value_counts().to_dict() == {"drug_a": 200, "drug_b": 200, "control": 0}

    def test_some_targets(self, run: Run, fitted_file: Path, tmp_path: Path) -> None:
        run.well("predict", fitted_file, tmp_path / "two.h5ad", "--target", "drug_b", "--target", "drug_a")
        found = anndata.read_h5ad(tmp_path / "two.h5ad")
        assert found.obs["perturbation"].unique().tolist() == ["drug_b", "drug_a"]

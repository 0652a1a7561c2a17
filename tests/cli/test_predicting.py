from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from tests.cli.conftest import Run

SHIFT = ("--solver", "mean_shift")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_same(one: anndata.AnnData, other: anndata.AnnData) -> None:
    pd.testing.assert_frame_equal(one.obs, other.obs, check_exact=True)
    pd.testing.assert_frame_equal(one.var, other.var, check_exact=True)
    np.testing.assert_array_equal(one.X, other.X, strict=True)
    for name in ("layers", "obsm", "varm", "uns"):
        np.testing.assert_equal(dict(getattr(one, name)), dict(getattr(other, name)))


class TestPredictions:
    def test_are_those_of_one_call(self, run: Run, fitted_many: Path, tmp_path: Path) -> None:
        predictions, merged = tmp_path / "predictions", tmp_path / "merged.zarr"
        run.well("predict", fitted_many, predictions, "--shard", "2/2")
        assert names(predictions) == ["block-0003.h5ad", "plan.json"]
        [_, command] = run.badly("merge", predictions, merged).split(": run ")
        assert "has shard 1 of 2" in run.well(*shlex.split(command)[1:])
        assert "2 of 2 blocks are there already" in run.well(*shlex.split(command)[1:])
        run.well("merge", predictions, merged)
        run.well("merge", predictions, tmp_path / "merged.h5ad")
        run.well("predict", fitted_many, tmp_path / "one.h5ad")
        one = anndata.read_h5ad(tmp_path / "one.h5ad")
        assert_same(anndata.read_zarr(merged), one)
        assert_same(anndata.read_h5ad(tmp_path / "merged.h5ad"), one)
        assert "exists; --overwrite replaces it" in run.badly("merge", predictions, merged)
        assert "--model is for shards of cellot-sc fit" in run.badly("merge", predictions, merged, "--model", "m.h5")

    def test_of_a_model_and_other_cells(self, run: Run, model_file: Path, new_file: Path, tmp_path: Path) -> None:
        options = ["--gene-key", "symbol", "--control-key", "drug", "--control", "DMSO", "--uncertainty"]
        options += [word for i in range(3) for word in ("--context-map", f"Type {i}=type_{i}")]
        run.well("predict", model_file, new_file, tmp_path / "p", *options, "--shard", "2/2")
        [_, command] = run.badly("merge", tmp_path / "p", tmp_path / "merged.h5ad").split(": run ")
        out = run.well(*shlex.split(command)[1:])
        assert "has shard 1 of 2: 1 of 1 blocks" in out
        run.well("merge", tmp_path / "p", tmp_path / "merged.h5ad")
        run.well("predict", model_file, new_file, tmp_path / "one.h5ad", *options)
        one = anndata.read_h5ad(tmp_path / "one.h5ad")
        assert "sd" in one.layers
        assert_same(anndata.read_h5ad(tmp_path / "merged.h5ad"), one)

    def test_a_block_that_is_broken(self, run: Run, fitted_many: Path, tmp_path: Path) -> None:
        line = ["predict", fitted_many, tmp_path / "p", "--target", "drug_03", "--shard", "1/1"]
        run.well(*line)
        place = tmp_path / "p" / "block-0001.h5ad"
        place.write_bytes(place.read_bytes()[:-5000])
        said = run.badly("merge", tmp_path / "p", tmp_path / "merged.zarr")
        assert "block-0001.h5ad cannot be read as .h5ad: " in said
        assert "; remove it, and run cellot-sc predict" in said
        assert "block-0001.h5ad is made again: " in run.well(*line)
        run.well("merge", tmp_path / "p", tmp_path / "merged.zarr")

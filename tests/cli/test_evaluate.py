from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import pandas as pd

import cellot_sc as cs

if TYPE_CHECKING:
    from tests.cli.conftest import Run


class TestEvaluate:
    def test_table(self, run: Run, fitted_file: Path, tmp_path: Path) -> None:
        path = tmp_path / "scores.csv"
        out = run.well(
            "evaluate", fitted_file, path, "--split", "valid", "--groupby", "cell_type", "--metric", "mmd",
            "--metric", "energy_distance", "--space", "genes", "--n-boot", "5", "--seed", "2",
        )  # fmt: skip
        expected = cs.tl.evaluate(
            anndata.read_h5ad(fitted_file), split="valid", groupby="cell_type", metrics=["mmd", "energy_distance"],
            space="genes", n_boot=5, seed=2,
        )  # fmt: skip
        pd.testing.assert_frame_equal(pd.read_csv(path), expected)
        # the first metric is shown, beside the baselines
        assert "mmd of valid cells:" in out
        row = expected[
            expected["group"].eq("all") & expected["metric"].eq("mmd") & expected["perturbation"].eq("drug_a")
        ]
        shown = next(line for line in out.splitlines() if line.startswith("drug_a")).split()[1:]
        assert shown == [f"{value:.3g}" for value in row["value"]]

    def test_protocol(self, run: Run, fitted_file: Path, tmp_path: Path) -> None:
        path = tmp_path / "scores.csv"
        out = run.well(
            "evaluate", fitted_file, path, "--metric", "l2_means", "--space", "genes", "--baseline", "mean_shift",
            "--n-markers", "5", "--n-markers", "10", "--n-cells", "8", "--n-boot", "3",
        )  # fmt: skip
        expected = cs.tl.evaluate(
            anndata.read_h5ad(fitted_file), metrics="l2_means", space="genes", baselines="mean_shift",
            n_markers=[5, 10], n_cells=8, n_boot=3,
        )  # fmt: skip
        pd.testing.assert_frame_equal(pd.read_csv(path), expected)
        assert "l2_means of test cells, the first numbers of features and of cells:" in out
        assert out.count("drug_a") == out.count("drug_b")

    def test_units(self, run: Run, fitted_file: Path, tmp_path: Path) -> None:
        path = tmp_path / "scores.csv"
        run.well("evaluate", fitted_file, path, "--metric", "l2_means", "--unit", "patient", "--n-boot", "5")
        expected = cs.tl.evaluate(anndata.read_h5ad(fitted_file), metrics="l2_means", unit="patient", n_boot=5)
        pd.testing.assert_frame_equal(pd.read_csv(path), expected)

    def test_predictions(self, run: Run, fitted_file: Path, tmp_path: Path) -> None:
        path, file = tmp_path / "scores.csv", tmp_path / "other=tool.h5ad"
        adata = anndata.read_h5ad(fitted_file)
        cs.tl.predict(adata).write_h5ad(file)
        line = ["evaluate", fitted_file, path, "--metric", "l2_means", "--n-boot", "0", "--prediction"]
        out = run.well(*line, f"tool={file}")
        expected = cs.tl.evaluate(adata, predictions={"tool": file}, metrics="l2_means", n_boot=0)
        pd.testing.assert_frame_equal(pd.read_csv(path), expected)
        assert "tool" in out.splitlines()[-5]
        # what is wrong with it names what was typed
        adata.obs["perturbation"] = "drug_c"
        adata.write_h5ad(file)
        line += [f"tool={file}", "--overwrite"]
        assert run.badly(*line).startswith("--prediction tool: obs['perturbation'] has 'drug_c'")
        assert "--prediction tool is given twice" in run.badly(*line, "--prediction", f"tool={fitted_file}")
        assert "--prediction 'tool' is not of the form NAME=VALUE" in run.badly(*line, "--prediction", "tool")
        said = run.badly(*line, "--prediction", f"new={tmp_path / 'other=tol.h5ad'}")
        assert said.startswith("--prediction new: ") and "Did you mean" in said
        assert run.badly(*line[:-2], f"observed={file}", "--overwrite").startswith(
            "--prediction observed: the name stands"
        )

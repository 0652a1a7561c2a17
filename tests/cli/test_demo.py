from __future__ import annotations

import io
import shutil
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import cellot_sc as cs
from cellot_sc import _demo, cli

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def shrink_demo(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_demo, "SIMULATION", {"n_cells": 800, "n_genes": 60})
    patch.setattr(_demo, "N_COMPONENTS", 8)
    patch.setattr(_demo, "TRAINING", {"n_steps": 20, "check_every": 10, "penalties": (10.0,)})
    patch.setattr(_demo, "N_BOOT", 10)
    # written by the dozen, and looked at by nobody
    patch.setattr(cs.settings, "figure_dpi", 30)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What a small demo wrote, and what it said."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as out:
        shrink_demo(patch)
        with pytest.raises(SystemExit) as exit_:
            cli.main(["demo", "--output", str(folder), "--seed", "1"])
    assert exit_.value.code == 0
    return folder, out.getvalue()


class TestDemo:
    def test_writes_everything_and_says_where(self, demo: tuple[Path, str]) -> None:
        folder, out = demo
        assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
            "metrics.csv", "fitted.h5ad", "predicted.h5ad", "report.html",
            *(
                f"figures/{name}.{suffix}"
                for name in (
                    "evaluation", "evaluation_groups", "embedding", "embedding_groups", "history", "marginals", "truth",
                    "responses", "transport_cost", "subpopulation_effects", "volcano", "effect_clusters", "composition",
                )
                for suffix in ("png", "pdf")
            ),
        }  # fmt: skip
        assert out.splitlines()[-1] == f"The report: {folder / 'report.html'}"
        assert "energy_distance of test cells:" in out
        assert "energy_distance of test cells, mean over groups:" in out
        assert plt.get_fignums() == []

    def test_table_and_cells_belong_together(self, demo: tuple[Path, str]) -> None:
        folder, _ = demo
        scores = pd.read_csv(folder / "metrics.csv")
        assert set(scores["perturbation"]) == {"drug_a", "drug_b", "drug_c"}
        groups = {"group_shift", "group_gaussian"}
        assert set(scores["model"]) == {"icnn", "identity", "mean_shift", "gaussian", *groups, "observed"}
        assert set(scores["seed"]) == {1}
        fitted, predicted = (anndata.read_h5ad(folder / f"{name}.h5ad") for name in ("fitted", "predicted"))
        np.testing.assert_array_equal(cs.tl.predict(fitted).X, predicted.X)
        expected = cs.tl.evaluate(fitted, groupby="cell_type", unit="patient", n_boot=10, seed=1)
        pd.testing.assert_frame_equal(scores[: len(expected)], expected)
        report = (folder / "report.html").read_text(encoding="utf-8")
        assert report.count("<img") == len([*folder.glob("figures/*.png")])
        assert all(name in report for name in ("drug_a", "drug_b", "drug_c", "counterfactual_error"))

    def test_error_of_each_cell_against_its_truth(self, demo: tuple[Path, str]) -> None:
        folder, _ = demo
        scores = pd.read_csv(folder / "metrics.csv")
        rows = scores[scores["metric"] == "counterfactual_error"]
        columns = ("perturbation", "model", "value", "ci_low", "ci_high")
        error = {(name, model): score for name, model, *score in zip(*(rows[c] for c in columns), strict=True)}
        adata = anndata.read_h5ad(folder / "fitted.h5ad")
        cells = ((adata.obs["split"] == "test") & (adata.obs["perturbation"] == "control")).to_numpy()
        kept = adata.uns["X_cellot"]
        truth = (adata.layers["counterfactual_drug_a"][cells] - kept["mean"]) @ kept["components"].T
        moved = cs.tl.predict(adata, "drug_a", cells=cells).obsm["X_cellot"]
        expected = np.sqrt(((moved - truth) ** 2).sum(axis=1).mean())
        value, low, high = error["drug_a", "icnn"]
        assert value == pytest.approx(expected, rel=1e-4)
        assert low < value < high
        # nothing happens to cells under the inert perturbation, and the metric knows
        assert error["drug_c", "identity"] == [0, 0, 0]

    def test_again(self, run: Run, demo: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "again"
        shutil.copytree(demo[0], folder)
        (folder / "notes.txt").write_text("mine")
        (folder / "metrics.csv").write_text("old")
        assert "exists; --overwrite replaces it" in run.badly("demo", "--output", folder)
        shrink_demo(monkeypatch)
        run.well("demo", "--output", folder, "--seed", "1", "--overwrite")
        pd.testing.assert_frame_equal(pd.read_csv(folder / "metrics.csv"), pd.read_csv(demo[0] / "metrics.csv"))
        assert (folder / "notes.txt").read_text() == "mine"

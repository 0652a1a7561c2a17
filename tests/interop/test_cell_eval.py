"""What cell-eval and cell-eval2 say of our files, by the commands that the log names."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs

GENES = ["gene_03", "gene_11", "gene_20", "gene_30", "gene_41", "gene_05"]
"""Perturbations: the first four act on all cells, the next on those of one type, the last on none."""


@pytest.fixture(scope="session")
def screen() -> AnnData:
    adata = cs.datasets.simulate(2100, 60, perturbations=GENES)
    cs.pp.split(adata, test_fraction=0.4)
    cs.pp.represent(adata, n_components=15)
    cs.tl.cellot(adata, solver="gaussian")
    return adata


def exported(
    adata: AnnData, folder: Path, preset: Literal["cell-eval", "vcc2026"], caplog: pytest.LogCaptureFixture
) -> tuple[cs.tl.CellEvalFiles, list[str]]:
    """Return the files, and the command that judges them."""
    with caplog.at_level(logging.INFO, logger="cellot_sc"):
        files = cs.tl.export_cell_eval(adata, folder, preset=preset)
    return files, shlex.split(caplog.messages[-1].split("which are judged by: ")[1])


def run(command: list[str]) -> None:
    # the shells of users find the programs of their environment
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def effects(file: Path, *, counts: bool = False, control: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the change of the mean of every gene under every perturbation in order, and names of genes."""

    def mean(cells: AnnData) -> np.ndarray:
        if not counts:
            return np.asarray(cells.X.mean(axis=0)).ravel()
        total = np.asarray(cells.X.sum(axis=0), dtype=np.float64).ravel()
        return np.log1p(5e4 * total / total.sum())

    cells, beside = ad.read_h5ad(file), ad.read_h5ad(control or file)
    base = mean(beside[beside.obs["perturbation"] == "control"])
    found = np.stack([mean(cells[cells.obs["perturbation"] == name]) - base for name in GENES])
    return found, cells.var_names.to_numpy()


def correlation_and_distance(predicted: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    """Return what our metrics say of two effects: the correlation, and the mean squared difference."""
    x, y = (np.stack([effect, effect]) for effect in (predicted, real))
    return cs.metrics.pearson_delta(x, y, np.zeros_like(x)), cs.metrics.l2_means(x, y) ** 2 / x.shape[1]


def test_cell_eval(screen: AnnData, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    files, command = exported(screen, tmp_path, "cell-eval", caplog)
    run(command)
    scores = pd.read_csv(tmp_path / "cell-eval" / "results.csv", index_col="perturbation").loc[GENES]
    assert (scores["pearson_delta"].iloc[:5] > 0.8).all()
    assert (scores["de_direction_match"].iloc[:4] > 0.9).all()
    (predicted, genes), (real, _) = effects(files.predicted), effects(files.real)
    ours = [correlation_and_distance(*means) for means in zip(predicted, real, strict=True)]
    np.testing.assert_allclose(scores["pearson_delta"], [one for one, _ in ours], atol=1e-4)
    np.testing.assert_allclose(scores["mse_delta"], [one for _, one in ours], rtol=1e-3)
    # no effect is twice as far
    assert scores["mse_delta"].iloc[:4].sum() < 0.5 * np.square(real[:4]).mean(axis=1).sum()
    for distance in ("l1", "l2", "cosine"):
        # theirs does without the gene that was perturbed
        told = [
            cs.metrics.discrimination_score(predicted[:, genes != name], real[:, genes != name], distance=distance)[i]
            for i, name in enumerate(GENES)
        ]
        np.testing.assert_allclose(scores[f"discrimination_score_{distance}"], told, atol=1e-6)


def judged(folder: Path) -> Any:
    """Return the scores of cell-eval2: a row per perturbation, a column per metric."""
    table = pd.read_csv(folder / "results.csv")
    return table.pivot(index="perturbation", columns="metric", values="value")


def test_cell_eval2(screen: AnnData, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    files, command = exported(screen, tmp_path, "vcc2026", caplog)
    assert "--no-target-genes" not in command
    run(command)
    no_effect = tmp_path / "no_effect.h5ad"
    cells = ad.read_h5ad(files.predicted)
    control = cells[cells.obs["perturbation"] == "control"].X
    cells.X = np.tile(control.toarray(), (1 + len(GENES), 1))
    cells.write_h5ad(no_effect)
    out = str(tmp_path / "of_no_effect")
    run([{str(files.predicted): str(no_effect), command[-1]: out}.get(word, word) for word in command])
    scores, none = (judged(tmp_path / folder).loc[GENES] for folder in ("vcc2026", "of_no_effect"))
    assert (scores["de_wilcoxon_direction_fidelity_yield_raw"].iloc[:5] >= 0.8).all()
    assert (scores["de_wilcoxon_direction_reach_raw"].iloc[:5] > 0.8).all()
    nmae = [table["de_wilcoxon_lfc_nmae"].dropna() for table in (scores, none)]
    assert len(nmae[0]) >= 3 and (nmae[0] < 0.3).all()
    np.testing.assert_allclose(nmae[1], 1)
    assert (scores["de_wilcoxon_sig_jaccard"] > 0.3).all()
    # means are far closer than with no effect where there is one, and as close where there is none
    closer = scores["expr_mse_unbiased"] / none["expr_mse_unbiased"]
    assert (closer.iloc[:5] < 0.3).all()
    assert abs(scores["expr_mse_unbiased"].iloc[5]) < 0.01

    for file, table in ((files.predicted, scores), (no_effect, none)):
        (predicted, genes), (real, _) = (effects(one, counts=True, control=files.real) for one in (file, files.real))
        others = ~np.isin(genes, GENES)
        told = cs.metrics.discrimination_score(predicted[:, others], real[:, others], distance="cosine")
        # they divide the rank by the number of the others
        n = len(GENES)
        np.testing.assert_allclose(table["pds_cosine"], 1 - (1 - told) * n / (n - 1), atol=1e-6)


def test_cell_eval2_of_labels_that_are_no_genes(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    drugs = cs.datasets.simulate(1200, 60, perturbations=["drug_a", "drug_b", "drug_c"])
    cs.pp.split(drugs, test_fraction=0.4)
    cs.tl.cellot(drugs, solver="mean_shift", use_rep="X")
    _, command = exported(drugs, tmp_path, "vcc2026", caplog)
    assert command[-1] == "--no-target-genes"
    run(command)
    assert judged(tmp_path / "vcc2026").loc["drug_a", "de_wilcoxon_direction_fidelity_yield_raw"] > 0.8

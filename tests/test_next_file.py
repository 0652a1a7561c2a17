"""A model of seven patients applied to the file of the eighth (Kang et al. 2018), which is read without the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import anndata
import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs

pytestmark = pytest.mark.slow
PATIENT, TARGET, REP = "1015", "stimulated", "X_cellot"
# that files are read alike does not need the best of maps
QUICK: dict[str, Any] = {"n_steps": 300, "penalties": (10.0,)}


class NextFile(NamedTuple):
    """The file of a patient, what is predicted of it in the AnnData of the fit, and a model of the others."""

    cells: AnnData
    expected: AnnData
    model: cs.Model

    def distance(self, predicted: AnnData) -> float:
        """Return the mean distance per cell of another prediction, in units of the mean displacement."""
        away = np.linalg.norm(predicted.obsm[REP] - self.expected[predicted.obs_names].obsm[REP], axis=1).mean()
        return float(away / np.linalg.norm(self.expected.obsm["displacement"], axis=1).mean())

    def without(self, share: float, seed: int) -> tuple[AnnData, AnnData]:
        """Return the cells without random genes that carry a share of the squared loadings, and with their means."""
        assert self.model.reference is not None
        order = np.random.default_rng(seed).permutation(self.cells.n_vars)
        carried = self.model.reference.weight[[*map(self.model.reference.genes.index, self.cells.var_names[order])]]
        gone = order[: 1 + int(np.searchsorted(np.cumsum(carried), share))]
        filled = self.cells.to_df()
        means = dict(zip(self.model.reference.genes, self.model.reference.mean, strict=True))
        for name in self.cells.var_names[gone]:
            filled[name] = means[name]
        kept = np.setdiff1d(np.arange(self.cells.n_vars), gone)
        with_means = AnnData(filled.to_numpy(np.float32), obs=self.cells.obs, var=self.cells.var)
        return self.cells[:, kept].copy(), with_means


@pytest.fixture(scope="module")
def kang(kang_cells: AnnData) -> AnnData:
    adata = kang_cells.copy()
    cs.pp.split(adata, "condition", holdout={"patient": PATIENT})
    return adata


@pytest.fixture(
    scope="module",
    params=[("pca", None), ("pca", ["cell_type", "patient"]), ("autoencoder", None)],
    ids=["pca", "contexts", "autoencoder"],
)
def case(kang: AnnData, request: pytest.FixtureRequest) -> NextFile:
    method, context = request.param
    adata = kang.copy()
    cs.pp.represent(adata, method=method)
    cs.tl.cellot(adata, "condition", context=context, **QUICK)
    cells = adata[(adata.obs["patient"] == PATIENT) & (adata.obs["condition"] == "control")]
    expected = cs.tl.predict(adata, TARGET, cells=cells.obs_names)
    order = np.random.default_rng(0).permutation(adata.n_vars)
    alone = AnnData(cells.X, obs=cells.obs[["condition", "cell_type", "patient"]], var=cells.var[[]])[:, order].copy()
    return NextFile(alone, expected, cs.Model.of(adata))


def test_prediction_by_api_and_shell_is_that_of_the_anndata_of_the_fit(case: NextFile, tmp_path: Path):
    case.model.save(tmp_path / "ifnb.cellot.zarr")
    case.cells.write_h5ad(tmp_path / "new.h5ad")
    call = [sys.executable, "-m", "cellot_sc", "predict", "ifnb.cellot.zarr", "new.h5ad", "predicted.h5ad"]
    subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
    by_shell = anndata.read_h5ad(tmp_path / "predicted.h5ad")
    by_api = cs.tl.predict(case.cells, TARGET, model=cs.Model.load(tmp_path / "ifnb.cellot.zarr"))
    for found in (by_shell, by_api):
        expected = case.expected[found.obs_names, found.var_names]
        np.testing.assert_allclose(found.X, expected.X, atol=1e-5)
        np.testing.assert_allclose(found.obsm[REP], expected.obsm[REP], atol=1e-5 * np.abs(expected.obsm[REP]).max())


def test_missing_genes_are_filled_better_than_by_their_mean(case: NextFile):
    by_model, by_mean = [], []
    for seed in range(10):
        fewer, with_means = case.without(0.05, seed)
        by_model.append(case.distance(cs.tl.predict(fewer, TARGET, model=case.model)))
        by_mean.append(case.distance(cs.tl.predict(with_means, TARGET, model=case.model)))
    assert np.mean(by_model) <= 0.2
    assert np.mean(by_model) <= np.mean(by_mean)


def test_too_many_missing_genes_are_refused(case: NextFile):
    fewer, _ = case.without(0.25, 0)
    with pytest.raises(ValueError, match=r"carry 2\d % of the squared loadings, and 20 % may be filled"):
        cs.tl.predict(fewer, TARGET, model=case.model)

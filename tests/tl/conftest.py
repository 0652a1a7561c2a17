from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs


@pytest.fixture(scope="session")
def prepared(simulated: AnnData) -> AnnData:
    """Simulated cells with a split and eight principal components. Copy them before you change them."""
    adata = simulated.copy()
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=8)
    return adata


@pytest.fixture(scope="session")
def fitted(prepared: AnnData) -> AnnData:
    """The same with a Gaussian map per perturbation."""
    adata = prepared.copy()
    cs.tl.cellot(adata, solver="gaussian", seed=3)
    return adata


@pytest.fixture(scope="session")
def lacking(fitted: AnnData) -> AnnData:
    """The same without two genes, which were filled to represent the cells."""
    adata = fitted[:, ~fitted.var_names.isin(["gene_03", "gene_40"])].copy()
    adata.uns["X_cellot"] = {**adata.uns["X_cellot"], "filled": np.array(["gene_03", "gene_40"], dtype=object)}
    return adata


@pytest.fixture(scope="session")
def _dosed() -> AnnData:
    adata = cs.datasets.simulate_doses()
    cs.tl.dose_response(adata, replicate="replicate", solver="mean_shift", use_rep="X")
    return adata


@pytest.fixture
def dosed(_dosed: AnnData) -> AnnData:
    """Cells with maps to six doses of a drug and of an inert one, to change as you like."""
    return _dosed.copy()

from __future__ import annotations

import numpy as np
import pandas as pd
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


@pytest.fixture(scope="session")
def _doubled() -> AnnData:
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3000, 3)) * (2, 1, 1) + (6, 4, 4)
    maps = {
        "a": lambda x: x * (0.5, 1, 1) + (1, 2, 0),
        "b": lambda x: x * (1, 1.4, 1.3) + (0, 0, 0.5),
        "c": lambda x: x * (0.6, 0.6, 1) - (2, 0, 0),
    }
    orders = {"b+a": ("a", "b"), "a+c": ("c", "a"), "b+c": ("c", "b")}
    # the one that moves cells further acts first: c before a before b
    moved = {"control": start[:600]} | {name: maps[name](start[600 + 400 * i :][:400]) for i, name in enumerate(maps)}
    for i, (label, (first, last)) in enumerate(orders.items()):
        moved[label] = maps[last](maps[first](start[1800 + 400 * i :][:400]))
    x = np.concatenate([*moved.values()]).astype(np.float32)
    labels = np.repeat([*moved], [len(cells) for cells in moved.values()])
    obs = pd.DataFrame({"perturbation": labels}, index=[f"c{i}" for i in range(len(x))])
    adata = AnnData(x, obs=obs, var=pd.DataFrame(index=["x", "y", "z"]))
    cs.pp.split(adata)
    cs.tl.cellot(adata, targets=["a", "b", "c"], solver="gaussian", use_rep="X")
    return adata


@pytest.fixture
def doubled(_doubled: AnnData) -> AnnData:
    """Cells with one of three drugs, or two of them, of which that acts first which moves cells further; maps of one.

    To change as you like.
    """
    return _doubled.copy()

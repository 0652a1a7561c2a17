from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs


@pytest.fixture(scope="session")
def _fitted(simulated: AnnData) -> AnnData:
    adata = simulated.copy()
    cs.pp.split(adata, test_fraction=0.3)
    cs.pp.represent(adata, n_components=8)
    cs.tl.cellot(adata, solver="gaussian")
    return adata


@pytest.fixture
def fitted(_fitted: AnnData) -> AnnData:
    """Cells with Gaussian maps of two perturbations, to change as you like."""
    return _fitted.copy()


def history(names: list[str]) -> pd.DataFrame:
    """Return a history as a solver that iterates would have written it: the last perturbation validates worst."""
    rows = []
    for i, name in enumerate(names):
        for step in (0, 100, 200, 300):
            rows.append((name, step, 0.1, "loss", np.nan if step == 0 else 10 - i - step / 100))
            rows.append((name, step, 0.1, "validation", 1 + i + abs(step - 200) / 100))
        rows.append((name, 200, np.nan, "selected", 200.0))
    return pd.DataFrame(rows, columns=["perturbation", "step", "seconds", "metric", "value"])


@pytest.fixture
def iterated(fitted: AnnData) -> AnnData:
    """Cells with maps and a history of two perturbations."""
    fitted.uns["cellot"]["history"] = history(["drug_a", "drug_b"])
    return fitted


@pytest.fixture
def iterated_34(fitted: AnnData) -> AnnData:
    """Cells that claim to have maps and a history of 34 perturbations."""
    names = [f"drug_{i:02d}" for i in range(34)]
    stored = fitted.uns["cellot"]
    config = json.loads(stored["config"]) | {"targets": names}
    fitted.uns["cellot"] = {
        "config": json.dumps(config),
        "maps": {str(i): stored["maps"]["0"] for i in range(34)},
        "history": history(names),
    }
    return fitted

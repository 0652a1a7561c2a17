from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData


@pytest.fixture
def adata() -> AnnData:
    """Five cells of three conditions."""
    obs = pd.DataFrame(
        {
            "perturbation": ["control", "drug_b", "drug_a", "control", "drug_a"],
            "split": ["train", "valid", "test", "ood", "train"],
            "cell_type": ["T", "B", "B", "T", "NK"],
        },
        index=[f"cell_{i}" for i in range(5)],
    )
    x = np.array([[0.0, 1.5], [2.5, 0.0], [0.0, 0.0], [1.5, 1.5], [0.5, 0.0]], dtype=np.float32)
    return AnnData(x, obs=obs, var=pd.DataFrame(index=["g0", "g1"]), obsm={"X_pca": x.copy()})

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder of the layout of the archive, with a few cells of the lupus patients."""
    names = [f"cell_{i}" for i in range(60)]
    obs = pd.DataFrame({"condition": ["ctrl", "stim"] * 30, "sample_id": [101, 101, 107, 107] * 15}, index=names)
    x = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    folder = tmp_path / "scrna-lupuspatients"
    folder.mkdir()
    AnnData(x, obs=obs).write_h5ad(folder / "kang-hvg.h5ad")
    return tmp_path


def test_has_the_default_labels(archive: Path):
    adata = cs.datasets.cellot_archive(archive, "lupus")
    assert adata.obs["perturbation"].value_counts().to_dict() == {"control": 30, "stim": 30}
    cs.tl.cellot(adata, use_rep="X", solver="mean_shift")
    assert cs.tl.predict(adata, "stim").n_obs == 30


def test_absent_file_and_unknown_task(archive: Path):
    with pytest.raises(FileNotFoundError, match="8h.h5ad"):
        cs.datasets.cellot_archive(archive)
    with pytest.raises(ValueError, match="task 'lupos' is unknown. Did you mean 'lupus'"):
        cs.datasets.cellot_archive(archive, "lupos")

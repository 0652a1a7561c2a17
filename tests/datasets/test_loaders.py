from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.datasets._registry import entries

N_CELLS = 60


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write a file with the given columns of obs in place of a data set's."""
    monkeypatch.setattr(cs.settings, "dataset_dir", tmp_path)

    def write(name: str, *, ensembl_id: Sequence[str] | None = None, clones: str = "", **obs: Sequence[object]) -> None:
        columns = {column: np.resize(np.array(values, dtype=object), N_CELLS) for column, values in obs.items()}
        x = sp.csr_matrix(np.random.default_rng(0).poisson(2, (N_CELLS, 5)).astype(np.float32))
        names = [f"cell_{i}" for i in range(N_CELLS)]
        adata = AnnData(x, obs=pd.DataFrame(columns, index=names).astype("category"))
        if ensembl_id is not None:
            adata.var["ensembl_id"] = list(ensembl_id)
        if clones:
            adata.obsm[clones] = np.eye(N_CELLS, 4, dtype=np.float32)
        [file] = entries()[name].files
        adata.write_h5ad(tmp_path / file.name)

    return write


def counts(adata: AnnData, column: str) -> dict[str, int]:
    return adata.obs[column].value_counts().to_dict()


def test_kang(put: Callable[..., None]):
    put("kang", label=["ctrl", "stim"], replicate=["patient_101", "patient_107"], cell_type=["B cells"])
    adata = cs.datasets.kang()
    assert counts(adata, "perturbation") == {"control": 30, "IFN-beta": 30}
    assert counts(adata, "patient") == {"patient_101": 30, "patient_107": 30}
    cs.tl.cellot(adata, solver="mean_shift")
    assert cs.tl.predict(adata).n_obs == 30


def test_sciplex3_gives_each_gene_its_own_name(put: Callable[..., None]):
    names = ["id gene_short_name", "ENSG01", "ENSG02", "ENSG03", "ENSG04"]
    columns = {"perturbation": ["control", "Abexinostat", None], "cell_line": ["K562"], "dose_value": ["100"]}
    put("sciplex3", ensembl_id=names, **columns)
    adata = cs.datasets.sciplex3()
    assert adata.var_names.tolist() == ["ENSG01", "ENSG02", "ENSG03", "ENSG04", "no gene"]
    assert counts(adata, "perturbation") == {"control": 20, "Abexinostat": 20}
    assert adata.obs["dose"].unique().tolist() == [100.0]


def test_sciplex3_leaves_names_that_are_right(put: Callable[..., None]):
    names = [f"ENSG0{i}" for i in range(5)]
    put("sciplex3", ensembl_id=names, perturbation=["control", "a"], cell_line=["K562"], dose_value=["10"])
    assert cs.datasets.sciplex3().var_names.tolist() == names


def test_zhao_glioblastoma(put: Callable[..., None]):
    columns = {"perturbation": ["control", "panobinostat"], "sample": ["PW030", "PW034"], "dose_value": [None, "0.2"]}
    put("zhao_glioblastoma", **columns)
    adata = cs.datasets.zhao_glioblastoma()
    assert counts(adata, "patient") == {"PW030": 30, "PW034": 30}
    assert adata.obs["dose"].isna().sum() == 30


def test_hagai(put: Callable[..., None]):
    put("hagai", condition=["unst", "LPS6"], species=["rat", "mouse", "pig"])
    assert counts(cs.datasets.hagai(), "perturbation") == {"control": 30, "LPS6": 30}


def test_weinreb_in_vitro(put: Callable[..., None]):
    put("weinreb_in_vitro", clones="X_clone", time_info=["2", "4", "6"], state_info=["undiff", "Monocyte"])
    adata = cs.datasets.weinreb()
    assert sorted(adata.obs["time"].unique()) == [2.0, 4.0, 6.0]
    assert adata.obs["cell_type"].cat.categories.tolist() == ["Monocyte", "undiff"]
    assert adata.obsm["X_clone"].shape == (N_CELLS, 4)


def test_weinreb_cytokines(put: Callable[..., None]):
    columns = {"age": ["day 2", "day 4"], "celltype": ["Meg"], "perturbation": ["a", "b"]}
    put("weinreb_cytokines", clones="clone_matrix", **columns)
    adata = cs.datasets.weinreb("cytokines")
    assert sorted(adata.obs["time"].unique()) == [2.0, 4.0]
    assert adata.obsm["X_clone"].shape == (N_CELLS, 4)
    with pytest.raises(ValueError, match="experiment 'invitro' is unknown. Did you mean 'in_vitro'"):
        cs.datasets.weinreb("invitro")  # type: ignore[arg-type]


def test_moon_embryoid(put: Callable[..., None]):
    put("moon_embryoid", sample_labels=["Day 00-03", "Day 06-09", "Day 12-15", "Day 18-21", "Day 24-27"])
    assert cs.datasets.moon_embryoid().obs["time"].tolist() == [*range(5)] * 12


def test_another_file_in_its_place(put: Callable[..., None], tmp_path: Path):
    put("kang", condition=["ctrl", "stim"])
    with pytest.raises(KeyError, match="column 'label' is not in adata.obs"):
        cs.datasets.kang()
    (tmp_path / "kang_2018.h5ad").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"kang_2018.h5ad cannot be read as .h5ad"):
        cs.datasets.kang()

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.datasets import Task, tasks


def cells(**columns: object) -> AnnData:
    """Return cells with three features, and the given columns."""
    obs = pd.DataFrame({name: np.array(values, dtype=object) for name, values in columns.items()})
    for name, values in columns.items():
        if isinstance(values, pd.Series):
            obs[name] = values
    obs.index = [f"cell_{i}" for i in range(len(obs))]
    x = np.arange(3 * len(obs), dtype=np.float32).reshape(-1, 3)
    return AnnData(x, obs=obs, var=pd.DataFrame(index=["a", "b", "c"]))


def put(adata: AnnData, folder: Path, file: str) -> Path:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    adata.write_h5ad(folder / file)
    return folder / file


@pytest.mark.parametrize("root", [".", "datasets", "processed_datasets_all/datasets"])
@pytest.mark.parametrize("name", ["kang-hvg.h5ad", "kang.h5ad"])
def test_the_file_is_found_wherever_the_archive_puts_it(tmp_path: Path, root: str, name: str) -> None:
    adata = cells(condition=["ctrl", "stim"], sample_id=["101", "107"])
    put(adata, tmp_path, f"{root}/scrna-lupuspatients/{name}")
    np.testing.assert_array_equal(tasks["lupus"].read(tmp_path).X, adata.X)


def test_numbers_and_gaps_in_labels(tmp_path: Path) -> None:
    sample = pd.Series([101.0, 107.0, np.nan, 101.0])
    adata = cells(condition=["ctrl", "stim", "stim", None], sample_id=sample)
    put(adata, tmp_path, "scrna-lupuspatients/kang-hvg.h5ad")
    found = tasks["lupus"].read(str(tmp_path))
    assert found.obs_names.tolist() == ["cell_0", "cell_1", "cell_2"]
    assert found.obs["sample_id"].cat.categories.tolist() == ["101", "107"]
    assert found.obs["sample_id"].isna().tolist() == [False, False, True]


def test_other_perturbations_and_other_groups_are_left_out(tmp_path: Path) -> None:
    samples = ["PW034", "PW036", "PW040", "PW051", "PW053", "PW099", "PW034", "PW040"]
    drugs = ["control"] * 3 + ["panobinostat"] * 3 + ["etoposide", "panobinostat"]
    put(cells(sample=samples, perturbation=drugs), tmp_path, "scrna-gbm/hvg-top1k-train-only.h5ad")
    found = tasks["glioblastoma"].read(tmp_path)
    assert found.obs["sample"].tolist() == ["PW034", "PW036", "PW040", "PW051", "PW053", "PW040"]
    assert found.obs["perturbation"].cat.categories.tolist() == ["control", "panobinostat"]
    of_one = tasks["glioblastoma-iid"].read(tmp_path)
    assert of_one.obs["sample"].tolist() == ["PW040", "PW040"]


def test_lists_beside_the_cells(tmp_path: Path) -> None:
    path = put(cells(drug=["control", "x", "y", "z"]), tmp_path, "4i/8h.h5ad")
    path.with_name("features.txt").write_text("c\na\n")
    found = tasks["4i"].read(tmp_path)
    assert found.var_names.tolist() == ["c", "a"]
    assert found.obs["drug"].tolist() == ["control", "x", "y", "z"]
    path.with_name("drugs.txt").write_text("x\nz\n")
    assert tasks["4i"].read(tmp_path).obs["drug"].tolist() == ["control", "x", "z"]


@pytest.mark.parametrize("task", tasks.values(), ids=list(tasks))
def test_what_is_missing_where_it_is_had_and_where_it_goes(tmp_path: Path, task: Task) -> None:
    with pytest.raises(FileNotFoundError) as error:
        task.read(tmp_path)
    words = str(error.value)
    for part in (task.name, task.files[0], "https://doi.org/10.3929/ethz-b-000609681", str(tmp_path / task.files[0])):
        assert part in words
    assert task.not_verified in words


def test_a_missing_list_of_features(tmp_path: Path) -> None:
    put(cells(drug=["control", "x"]), tmp_path, "datasets/4i/8h.h5ad")
    with pytest.raises(FileNotFoundError, match="needs 4i/features.txt, which is not in .*datasets"):
        tasks["4i"].read(tmp_path)


def test_files_that_lack_something(tmp_path: Path) -> None:
    file = "scrna-lupuspatients/kang-hvg.h5ad"
    put(cells(condition=["ctrl", "stim"], sample=["101", "107"]), tmp_path, file)
    with pytest.raises(KeyError, match="task 'lupus': column 'sample_id' is not in adata.obs. Did you mean 'sample'"):
        tasks["lupus"].read(tmp_path)
    put(cells(condition=["ctrl", "stm"], sample_id=["101", "107"]), tmp_path, file)
    with pytest.raises(ValueError, match=r"obs\['condition'\] 'stim' is unknown. Did you mean 'stm'"):
        tasks["lupus"].read(tmp_path)
    (tmp_path / file).write_text("no HDF5")
    with pytest.raises(ValueError, match="cannot be read as .h5ad"):
        tasks["lupus"].read(tmp_path)


@pytest.mark.parametrize("folder", [None, 3, []])
def test_a_folder_that_is_no_path(folder: Any) -> None:
    with pytest.raises(TypeError, match=r"the folder of the archive is .*; a path is needed"):
        tasks["lupus"].read(folder)


def test_the_file_is_only_read(tmp_path: Path) -> None:
    path = put(cells(condition=["ctrl", "stim"], sample_id=["101", "107"]), tmp_path, "scrna-lupuspatients/kang.h5ad")
    before = path.read_bytes()
    cs.datasets.tasks["lupus"].read(tmp_path)
    assert path.read_bytes() == before
    assert anndata.read_h5ad(path).obs["sample_id"].tolist() == ["101", "107"]

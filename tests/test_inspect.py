from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import cellot_sc as cs
from cellot_sc._inspect import describe_cells, units


@pytest.fixture
def cells() -> AnnData:
    random = np.random.default_rng(0)
    obs = pd.DataFrame(
        {
            "n_genes": np.arange(60.0),
            "barcode": [f"b{i}" for i in range(60)],
            "cell_type_conf": pd.Categorical(["high", "low"] * 30),
            "cell_type": pd.Categorical((["T", "B", "NK"] * 20)[:58] + [None] * 2),
            "Condition": pd.Categorical(["Ctrl"] * 20 + ["LPS"] * 40),
            "donor": ["d1"] * 20 + ["d2"] * 40,
        },
        index=[f"c{i}" for i in range(60)],
    )
    x = random.uniform(0, 6, (60, 5)).astype(np.float32)
    cells = AnnData(x, obs, layers={"counts": sparse.csr_matrix(random.poisson(2, (60, 5)))})
    cells.obsm["X_pca"] = x[:, :2]
    return cells


def saved(cells: AnnData, path: Path) -> Path:
    cells.write_zarr(path) if path.suffix == ".zarr" else cells.write_h5ad(path)
    return path


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_cells_are_described(cells: AnnData, tmp_path: Path, suffix: str) -> None:
    path = saved(cells, tmp_path / f"my cells{suffix}")
    lines = describe_cells(path).splitlines()
    assert lines[0] == f"{path}: 60 cells x 5 features"
    assert lines[1].startswith("X: log1p-normalised, as it seems, 0.")
    assert lines[2].startswith("layers['counts']: whole numbers, as counts are, 0 to ")
    assert lines[3:] == [
        "obsm: 'X_pca' (2)",
        "obs:",
        "  'n_genes'         numbers, 0 to 59",
        "  'barcode'         60 categories: 'b0' (1), 'b1' (1), 'b2' (1), 'b3' (1), ...",
        "  'cell_type_conf'  2 categories: 'high' (30), 'low' (30)",
        "  'cell_type'       3 categories: 'T' (20), 'B' (19), 'NK' (19); missing in 2 cells",
        "  'Condition'       2 categories: 'LPS' (40), 'Ctrl' (20)",
        "  'donor'           2 categories: 'd2' (40), 'd1' (20)",
        "perturbation: obs['Condition'], control 'Ctrl' (20 of 60 cells)",
        "cell type: obs['cell_type'], 3 categories, 3 of them with control and other cells",
        "cell type: obs['cell_type_conf'], 2 categories, 2 of them with control and other cells",
        "unit: obs['donor'], 2 categories, 0 of them with control and other cells",
        "next:",
        f"  cellot-sc fit '{path}' fitted{suffix} --perturbation-key Condition --control Ctrl --context cell_type",
    ]


@pytest.mark.parametrize("label", ["WT1", ""])
def test_other_names_are_none_of_controls(cells: AnnData, tmp_path: Path, label: str) -> None:
    cells.obs["Condition"] = cells.obs["Condition"].cat.rename_categories({"Ctrl": label})
    assert "obs['Condition'] by its name, but" in describe_cells(saved(cells, tmp_path / "a.h5ad"))


def test_default_names_need_no_options(cells: AnnData, tmp_path: Path) -> None:
    cells.obs["perturbation"] = cells.obs["Condition"].cat.rename_categories({"Ctrl": "control"})
    del cells.obs["cell_type"], cells.obs["cell_type_conf"]
    path = saved(cells, tmp_path / "a.h5ad")
    assert describe_cells(path).endswith(f"next:\n  cellot-sc fit {path} fitted.h5ad")


def test_cells_that_are_all_untreated_are_to_be_predicted(cells: AnnData, tmp_path: Path) -> None:
    said = describe_cells(saved(cells[cells.obs["Condition"] == "Ctrl"].copy(), path := tmp_path / "a.h5ad"))
    assert "perturbation: obs['Condition'], control 'Ctrl' (20 of 20 cells)" in said
    assert said.endswith(
        f"next:\n  cellot-sc predict MODEL {path} predicted.h5ad --control-key Condition --control Ctrl"
    )
    # a category that all cells have tells nothing beside one that differs
    cells.obs["strain"], cells.obs["Condition"] = "WT", ["LPS", "IFN"] * 30
    said = describe_cells(saved(cells, tmp_path / "b.h5ad"))
    assert "perturbation: obs['Condition'] by its name, but no category of it" in said


def test_where_no_category_is_a_control_one_has_to_name_it(cells: AnnData, tmp_path: Path) -> None:
    cells.obs["Condition"] = cells.obs["Condition"].cat.rename_categories({"Ctrl": "IFN"})
    said = describe_cells(saved(cells, tmp_path / "a.h5ad"))
    assert "perturbation: obs['Condition'] by its name, but no category of it is called as untreated" in said
    assert said.endswith("--perturbation-key Condition --control NAME")
    del cells.obs["Condition"]
    said = describe_cells(saved(cells, tmp_path / "b.h5ad"))
    assert "perturbation: no column has a category that is called as untreated cells are" in said
    assert said.endswith("--perturbation-key COLUMN --control NAME")


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix], ids=["dense", "csr", "csc"])
@pytest.mark.parametrize(
    ("change", "words", "remedy"),
    [
        (lambda x: x, "log1p-normalised, as it seems, 0 to 6", ""),
        (np.floor, "whole numbers, as counts are, 0 to 6", "--normalize --log1p"),
        (lambda x: x - 1, "scaled or centred, -1 to 5", ""),
        (lambda x: 1000 * x + 0.5 * (x > 0), "not log1p-transformed, as it seems, 0 to 6", "transform the numbers"),
        (lambda x: np.where(x == 6, np.nan, x), "holds NaN or inf", ""),
    ],
    ids=["log", "counts", "scaled", "raw", "nan"],
)
def test_numbers_are_told_apart(tmp_path: Path, kind: Callable, change: Callable, words: str, remedy: str) -> None:
    x = np.random.default_rng(0).uniform(0, 5.5, (3000, 4)).astype(np.float32)
    x[0, 0], x[0, 1] = 0, 6
    said = describe_cells(saved(AnnData(kind(change(x))), tmp_path / "a.h5ad"))
    assert f"\nX: {words}" in said
    assert remedy in said and (bool(remedy) or ("transform the" not in said and "--log1p" not in said))


def test_only_some_cells_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(AnnData(np.ones((5000, 3), dtype=np.float32)), tmp_path / "a.h5ad")
    read = []
    get = h5py.Dataset.__getitem__

    def watched(self: h5py.Dataset, rows: object, *rest: object, **options: object) -> object:
        found = get(self, rows, *rest, **options)
        if self.name == "/X":
            read.append(len(found))
        return found

    monkeypatch.setattr(h5py.Dataset, "__getitem__", watched)
    describe_cells(path)
    assert sum(read) == 500


def test_fits_and_representations_are_named(tmp_path: Path, simulated: AnnData) -> None:
    cells = simulated.copy()
    cs.pp.split(cells)
    cs.pp.represent(cells, n_components=4)
    cs.tl.cellot(cells, solver="mean_shift", key_added="other")
    path = saved(cells, tmp_path / "a.h5ad")
    said = describe_cells(path)
    assert "uns['X_cellot']: representation by pca of 60" in describe_cells(saved(cells, tmp_path / "a.zarr"))
    assert "uns['X_cellot']: representation by pca of 60 features" in said
    assert f"uns['other']: {cs.tl.maps(cells, 'other').fit!r}" in said
    assert f"next:\n  cellot-sc report {path} --key other\n  cellot-sc predict {path} " in said
    assert f"  cellot-sc predict {path} predicted.h5ad --key other" in said
    with h5py.File(path, "a") as file:
        del file["uns/other/digest"]
    assert "uns['other']: adata.uns['other'] holds fitted maps that cannot be read" in describe_cells(path)


def test_odd_files(tmp_path: Path) -> None:
    said = describe_cells(saved(AnnData(shape=(0, 0)), tmp_path / "empty.h5ad"))
    assert "0 cells x 0 features\nX: none" in said
    odd = AnnData(np.ones((2, 0)), pd.DataFrame({"a\n\x1b" * 20: ["x", "y"]}, index=["0", "1"]))
    said = describe_cells(saved(odd, tmp_path / "odd.h5ad"))
    assert "X: no numbers" in said and "\x1b" not in said
    many = AnnData(np.ones((2, 1)), pd.DataFrame({f"c{i}": [1, 2] for i in range(50)}, index=["0", "1"]))
    assert "  and 10 more columns" in describe_cells(saved(many, tmp_path / "many.h5ad"))
    with h5py.File(tmp_path / "other.h5ad", "w") as file:
        file["numbers"] = np.eye(3)
    with pytest.raises(ValueError, match=r"cannot be read as .h5ad: it holds no AnnData, or a broken one"):
        describe_cells(tmp_path / "other.h5ad")
    with pytest.raises(FileNotFoundError, match="Did you mean"):
        describe_cells(tmp_path / "othr.h5ad")
    assert anndata.read_h5ad(tmp_path / "odd.h5ad").shape == (2, 0)


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_predicted_cells_are_called_so(simulated: AnnData, tmp_path: Path, suffix: str) -> None:
    cells = simulated.copy()
    cs.pp.represent(cells, n_components=4)
    cs.tl.cellot(cells, solver="mean_shift")
    for predicted, said in (
        (cs.tl.predict(cells, "drug_a"), "to 'drug_a', by 'mean_shift', decoded from 'X_cellot'"),
        (cs.tl.predict(cells, decode=False), "to 'drug_a', 'drug_b', by 'mean_shift', points in 'X_cellot'"),
    ):
        path = tmp_path / f"predicted{suffix}"
        lines = describe_cells(saved(predicted, path)).splitlines()
        what = f"predicted cells, 'control' {said}; no map can be fitted to these"
        assert lines[-1] == f"uns['cellot_prediction']: {what}"
        assert not any(line.startswith(("next:", "perturbation:")) for line in lines)


def test_of_cells_of_several_times_a_course_is_next(tmp_path: Path) -> None:
    obs = pd.DataFrame({"time": [2, 4, 6] * 10, "cell_type": ["a", "b"] * 15}, index=[f"c{i}" for i in range(30)])
    AnnData(np.ones((30, 2), dtype=np.float32), obs).write_h5ad(path := tmp_path / "cells.h5ad")
    last = describe_cells(path).splitlines()[-1]
    assert last == f"  cellot-sc trajectory {path} times.h5ad --groupby cell_type"


def test_units_are_what_is_called_so() -> None:
    obs = pd.DataFrame({"drug": ["control", "a"] * 4, "mouse": list("wxyzwxyz"), "kind": list("aabbaabb")})
    assert units(obs, "drug", "control") == ["mouse"]
    assert units(obs.drop(columns="mouse"), "drug", "control") == []

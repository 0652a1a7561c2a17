from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad
from scipy.spatial.distance import cdist

import cellot_sc as cs

FATES = ["fate_a", "fate_b", "fate_c"]


@pytest.fixture(scope="module")
def _cells() -> AnnData:
    adata = cs.datasets.simulate_branching(900, 40)
    cs.pp.split(adata, "time", control="0")
    cs.pp.represent(adata, n_components=6)
    cs.tl.trajectory(adata, solver="gaussian")
    return adata


@pytest.fixture
def cells(_cells: AnnData) -> AnnData:
    return _cells.copy()


def accuracy(adata: AnnData, t: int) -> float:
    of_time = adata.obs["time"] == t
    return float((adata.obs.loc[of_time, "fate_predicted"].astype(str) == adata.obs.loc[of_time, "fate"]).mean())


def test_early_cells_get_probabilities(cells: AnnData) -> None:
    assert cs.tl.fate(cells) is None
    shares = cells.obsm["fate"]
    assert cells.uns["fate"]["fates"].tolist() == FATES
    assert shares.shape == (cells.n_obs, 3)
    early = cells.obs["time"] < 2
    np.testing.assert_allclose(shares[early].sum(axis=1), 1)
    assert np.isnan(shares[~early]).all()
    assert cells.obs["fate_potency"][early].between(0, 1).all()
    assert cells.obs["fate_predicted"][~early].isna().all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_known_fates_are_recovered_by_networks(seed: int) -> None:
    adata = cs.datasets.simulate_branching(2000, 60, seed=seed)
    cs.pp.split(adata, "time", control="0")
    cs.pp.represent(adata, n_components=10)
    cs.tl.trajectory(adata)
    cs.tl.fate(adata)
    assert accuracy(adata, 0) >= 0.9
    assert accuracy(adata, 1) >= 0.95


def test_cells_between_fates_are_potent(cells: AnnData) -> None:
    cs.tl.fate(cells)
    early = cells.obs["time"] == 0
    right = cells.obs["fate_predicted"].astype(str) == cells.obs["fate"].astype(str)
    potency = cells.obs["fate_potency"]
    assert potency[early & ~right].mean() > 2 * potency[early & right].mean()


def test_probabilities_are_means_over_the_cells_most_like_each(cells: AnnData) -> None:
    cs.tl.fate(cells, n_neighbors=5)
    x, time = cells.obsm["X_cellot"], cells.obs["time"].to_numpy()
    late = pd.get_dummies(cells.obs["cell_type"][time == 2])[FATES].to_numpy(dtype=float)
    moved = cs.tl.interpolate(cells, 2, source=0, decode=False).obsm["X_cellot"]
    ends = late[np.argsort(cdist(moved, x[time == 2]), axis=1)[:, :5]].mean(axis=1)
    alike = np.argsort(cdist(x[time == 0], x[time == 0]), axis=1)[:, :5]
    np.testing.assert_allclose(cells.obsm["fate"][time == 0], ends[alike].mean(axis=1), atol=1e-6)


def test_few_cells_are_not_all_alike(cells: AnnData) -> None:
    few = np.flatnonzero(cells.obs["time"] == 0)[19:]
    cells = cells[np.setdiff1d(np.arange(cells.n_obs), few)].copy()
    cs.tl.fate(cells, n_neighbors=20)
    # no more than a tenth of 19 cells, that is the cell alone, and most of these lie within a fate in the end
    assert (cells.obsm["fate"][cells.obs["time"] == 0].max(axis=1) == 1).mean() > 0.5


def test_chosen_fates_only(cells: AnnData) -> None:
    cs.tl.fate(cells, fates=["fate_c", "fate_a"], key_added="two")
    assert cells.uns["two"]["fates"].tolist() == ["fate_c", "fate_a"]
    np.testing.assert_allclose(cells.obsm["two"][cells.obs["time"] == 0].sum(axis=1), 1)


def test_an_earlier_time(cells: AnnData) -> None:
    cs.tl.fate(cells, "fate", at=1, key_added="soon")
    known = ~np.isnan(cells.obsm["soon"]).any(axis=1)
    assert (known == (cells.obs["time"] == 0)).all()


def test_labels_of_early_cells_are_not_read(cells: AnnData) -> None:
    other = cells.copy()
    early = (other.obs["time"] < 2).to_numpy()
    other.obs["cell_type"] = other.obs["cell_type"].where(~early)
    cs.tl.fate(cells)
    cs.tl.fate(other)
    np.testing.assert_array_equal(cells.obsm["fate"], other.obsm["fate"])


def test_copy_and_disk(cells: AnnData, tmp_path: Path) -> None:
    made = cs.tl.fate(cells, copy=True)
    assert made is not None
    assert "fate" not in cells.obsm
    made.write_h5ad(tmp_path / "cells.h5ad")
    again = read_h5ad(tmp_path / "cells.h5ad")
    a, b = (cs.tl.clonal_agreement(data, baselines="prior", n_boot=0) for data in (made, again))
    assert a.equals(b)


def test_potency_is_the_entropy(cells: AnnData) -> None:
    cs.tl.fate(cells)
    shares = cells.obsm["fate"]
    bits = np.where(shares > 0, -shares * np.log(np.maximum(shares, 1e-300)), 0).sum(axis=1) / np.log(shares.shape[1])
    expected = np.where(np.isnan(shares[:, 0]), np.nan, bits)
    np.testing.assert_allclose(cells.obs["fate_potency"], expected, rtol=1e-6, atol=1e-12)


def test_potency_of_one_fate_is_0(cells: AnnData) -> None:
    cs.tl.fate(cells, fates=["fate_a"])
    known = cells.obs["fate_potency"].dropna()
    assert len(known)
    assert (known == 0).all()


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"groupby": "celltype"}, KeyError, "groupby 'celltype' is not in adata.obs. Did you mean 'cell_type'"),
        ({"fates": ["fate_d"]}, ValueError, "fates 'fate_d' is unknown. Did you mean"),
        ({"fates": []}, ValueError, "fates is empty"),
        ({"at": 0}, ValueError, "at '0' is the first time"),
        ({"at": 9}, ValueError, "at 9 is unknown"),
        ({"n_neighbors": 0}, ValueError, "n_neighbors is 0; a positive whole number"),
        ({"key": "cellot"}, KeyError, "holds no time course: call cs.tl.trajectory first"),
    ],
)
def test_errors(cells: AnnData, kwargs: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cs.tl.fate(cells, **kwargs)
    assert "fate" not in cells.obsm


def test_no_labels(cells: AnnData) -> None:
    cells.obs["empty"] = np.array([None] * cells.n_obs, dtype=object)
    with pytest.raises(ValueError, match="No cell of time '2' has a label"):
        cs.tl.fate(cells, "empty")


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_fates_of_any_name_are_written_and_read(cells: AnnData, tmp_path: Path, suffix: str) -> None:
    names = dict(zip(FATES, ("NK/T", "a.b", "1"), strict=True))
    cells.obs["cell_type"] = cells.obs["cell_type"].cat.rename_categories(names)
    cs.tl.fate(cells)
    getattr(cells, f"write_{suffix}")(tmp_path / f"cells.{suffix}")
    again = getattr(anndata, f"read_{suffix}")(tmp_path / f"cells.{suffix}")
    assert set(again.uns["fate"]["fates"]) == set(names.values())
    table = pd.DataFrame(again.obsm["fate"], again.obs_names, again.uns["fate"]["fates"])
    early = cells.obs["time"] < 2
    likeliest = table[early].idxmax(axis=1)
    assert (likeliest == cells.obs["fate_predicted"][early].astype(str)).all()
    scores = cs.tl.clonal_agreement(again, baselines="prior", n_boot=0)
    assert set(scores["fate"]) <= {"all", *names.values()}


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("a/b", "key_added 'a/b' has '/', with which no file can be written: leave it out, as in 'a_b'"),
        ("trajectory", r"key_added 'trajectory' would overwrite the fitted maps in adata.uns\['trajectory'\]"),
        ("X_cellot", "'X_cellot' would overwrite the decoder of a representation"),
    ],
)
def test_keys_that_cannot_be_written(cells: AnnData, key: str, words: str) -> None:
    before = set(cells.uns)
    with pytest.raises(ValueError, match=words):
        cs.tl.fate(cells, key_added=key)
    assert set(cells.uns) == before and key not in set(cells.obsm) - {"X_cellot"}


@pytest.mark.parametrize("use", ["figure", "agreement"])
def test_fates_of_other_maps_are_refused(cells: AnnData, use: str) -> None:
    adata = cells
    cs.tl.fate(adata, "cell_type")
    draw = {
        "figure": lambda: cs.pl.fate(adata, show=False),
        "agreement": lambda: cs.tl.clonal_agreement(adata, n_boot=0),
    }
    draw[use]()
    cs.tl.trajectory(adata, solver="mean_shift")
    with pytest.raises(
        ValueError, match=r"were read with other maps than adata.uns\['trajectory'\] holds now: call cs"
    ):
        draw[use]()
    cs.tl.fate(adata, "cell_type")
    draw[use]()


@pytest.mark.parametrize("column", ["mine_predicted", "mine_potency"])
def test_what_is_read_is_not_overwritten(cells: AnnData, column: str) -> None:
    adata = cells.copy()
    adata.obs[column] = adata.obs["cell_type"]
    with pytest.raises(ValueError, match=f"'{column}' would overwrite a column of adata.obs that is read"):
        cs.tl.fate(adata, column, key_added="mine")
    assert "mine" not in adata.obsm

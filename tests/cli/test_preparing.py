from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest
import scanpy as sc

import cellot_sc as cs
from cellot_sc.cli._preparing import Preparing, grouped

if TYPE_CHECKING:
    from anndata import AnnData

    from tests.cli.conftest import Run

SHIFT = ("--solver", "mean_shift", "--n-components", 5)
ALL = ("--keep", "source=good", "--normalize", "--log1p", "--n-top-genes", 20, "--test-fraction", 0.3, *SHIFT)


@pytest.fixture(scope="module")
def raw(simulated: AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Counts of cells, some of which are bad, or of nobody knows what."""
    adata = simulated.copy()
    adata.X = adata.layers.pop("counts").astype(np.float32)
    adata.obs["source"] = np.resize(["good", "good", "bad", "good", None], adata.n_obs)
    path = tmp_path_factory.mktemp("raw") / "raw.h5ad"
    adata.write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def by_hand(raw: Path) -> AnnData:
    """What :data:`ALL` asks for, made with scanpy."""
    adata = anndata.read_h5ad(raw)
    adata = adata[adata.obs["source"] == "good"].copy()
    cs.pp.split(adata, test_fraction=0.3)
    train = adata.obs["split"] == "train"
    adata.layers["counts"] = adata.X.copy()
    totals = np.asarray(adata.X[train.to_numpy()].sum(axis=1)).ravel()
    sc.pp.normalize_total(adata, target_sum=float(np.median(totals)))
    sc.pp.log1p(adata)
    vary = sc.pp.highly_variable_genes(adata[train], n_top_genes=20, inplace=False)["highly_variable"]
    adata = adata[:, vary.to_numpy()].copy()
    cs.pp.represent(adata, n_components=5)
    adata.uns["target"] = float(np.median(totals))
    return adata


def test_one_command_does_what_scanpy_and_the_functions_do(
    run: Run, raw: Path, by_hand: AnnData, tmp_path: Path
) -> None:
    out = run.well("fit", raw, tmp_path / "fitted.h5ad", *ALL)
    found = anndata.read_h5ad(tmp_path / "fitted.h5ad")
    assert [*found.var_names] == [*by_hand.var_names]
    assert [*found.obs["split"]] == [*by_hand.obs["split"]]
    for name in (None, "counts"):
        there, expected = (one.X if name is None else one.layers[name] for one in (found, by_hand))
        np.testing.assert_allclose(there.toarray(), expected.toarray(), rtol=1e-6)
    np.testing.assert_allclose(found.obsm["X_cellot"], by_hand.obsm["X_cellot"], atol=1e-5)
    made = found.uns["preparation"]
    assert [*made.pop("kept")] == ["source=good"]
    assert made == {
        "n_cells_left_out": 240, "normalized": True, "target_sum": pytest.approx(by_hand.uns["target"]), "log1p": True,
        "n_top_genes": by_hand.n_vars,
    }  # fmt: skip
    for words in (
        "kept 360 of 600 cells: source is good in 360",
        "--keep: 120 of 600 cells have no obs['source']",
        "kept the counts in layers['counts']",
        f"chose {by_hand.n_vars} of 60 genes, which vary most among ",
    ):
        assert words in out
    assert "used as it is" not in out
    # what was done before is not forgotten
    run.well("fit", tmp_path / "fitted.h5ad", tmp_path / "again.h5ad", *SHIFT[:2], "--keep", "patient=patient_0")
    again = anndata.read_h5ad(tmp_path / "again.h5ad")
    made = again.uns["preparation"]
    assert [*made["kept"]] == ["source=good", "patient=patient_0"]
    assert made["n_cells_left_out"] == 600 - again.n_obs
    assert made["log1p"] and made["n_top_genes"] == by_hand.n_vars


def test_shards_prepare_alike(run: Run, raw: Path, by_hand: AnnData, tmp_path: Path) -> None:
    run.well("fit", raw, tmp_path / "fits", *ALL, "--shard", "1/1")
    run.well("merge", tmp_path / "fits", tmp_path / "merged.zarr")
    merged = anndata.read_zarr(tmp_path / "merged.zarr")
    np.testing.assert_allclose(merged.obsm["X_cellot"], by_hand.obsm["X_cellot"], atol=1e-5)
    said = run.badly("fit", raw, tmp_path / "fits", *SHIFT, "--log1p", "--shard", "1/1")
    assert "--keep is [], and " in said


def test_a_large_store_is_read_where_memory_holds_it(
    run: Run, raw: Path, by_hand: AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "raw.zarr"
    anndata.read_h5ad(raw).write_zarr(store)
    monkeypatch.setattr("cellot_sc._on_disk.MOST_READ", 1000)
    monkeypatch.setattr("cellot_sc._chunks.MAX_VALUES", 100)
    run.well("fit", store, tmp_path / "fitted.zarr", *ALL)
    found = anndata.read_zarr(tmp_path / "fitted.zarr")
    np.testing.assert_allclose(found.obsm["X_cellot"], by_hand.obsm["X_cellot"], atol=1e-5)
    monkeypatch.setattr("cellot_sc.cli._preparing._memory", lambda: 1000.0)
    assert "of memory to be prepared" in run.badly("fit", store, tmp_path / "other.zarr", *ALL)


class TestCounts:
    def test_stop_the_program(self, run: Run, raw: Path, tmp_path: Path) -> None:
        said = run.badly("fit", raw, tmp_path / "fitted.h5ad", *SHIFT)
        assert said == (
            f"X of {raw} holds whole numbers only, as counts do: add --normalize --log1p, or --as-is to use them as "
            "they are."
        )
        assert said == run.badly("fit", raw, tmp_path / "fitted.h5ad", "--use-rep", "X", "--solver", "mean_shift")
        assert not (tmp_path / "fitted.h5ad").exists()

    def test_are_used_as_they_are_if_that_is_asked(self, run: Run, raw: Path, tmp_path: Path) -> None:
        out = run.well("fit", raw, tmp_path / "fitted.h5ad", "--as-is", *SHIFT)
        assert out.count("X holds whole numbers only, as counts do") == 1
        found = anndata.read_h5ad(tmp_path / "fitted.h5ad")
        assert "counts" not in found.layers and "preparation" not in found.uns
        assert not (found.X != anndata.read_h5ad(raw).X).nnz

    def test_that_were_only_normalised_are_warned_of(self, run: Run, raw: Path, tmp_path: Path) -> None:
        out = run.well("fit", raw, tmp_path / "fitted.h5ad", "--normalize", *SHIFT)
        assert out.count("more than log1p of normalised counts can be: take log1p") == 1

    def test_that_are_beside_a_representation_are_let_be(self, run: Run, raw: Path, tmp_path: Path) -> None:
        adata = anndata.read_h5ad(raw)
        adata.obsm["X_scvi"] = np.random.default_rng(0).normal(size=(adata.n_obs, 3)).astype(np.float32)
        adata.write_h5ad(tmp_path / "cells.h5ad")
        out = run.well("fit", tmp_path / "cells.h5ad", tmp_path / "o.h5ad", "--use-rep", "X_scvi", *SHIFT[:2])
        assert "whole numbers" not in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--as-is", "--normalize"], "--as-is and --normalize exclude each other"),
        (["--as-is", "--log1p"], "--as-is and --log1p exclude each other"),
        (["--as-is", "--n-top-genes", "9"], "--n-top-genes needs log1p of normalised counts, and X holds whole"),
        (["--represent", "umap"], "Valid: "),
        (["--represent", "pca", "--use-rep", "X"], "--use-rep and --represent exclude each other"),
        (["--log1p", "--use-rep", "X_pca"], "--use-rep X_pca was made before the expression is changed"),
        (["--keep", "source"], "--keep"),
        (["--keep", "sauce=good"], "Did you mean 'source'?"),
        (["--keep", "source=god"], "Did you mean 'good'?"),
        (["--test-fraction", "2"], "--test-fraction"),
        (["--n-top-genes", "0"], "--n-top-genes"),
    ],
)
def test_what_cannot_be(run: Run, raw: Path, tmp_path: Path, options: list[str], words: str) -> None:
    assert words in run.badly("fit", raw, tmp_path / "fitted.h5ad", *options)


def test_logarithms_get_no_other(run: Run, cells: Path, fitted_file: Path, tmp_path: Path) -> None:
    assert "leave --normalize and --log1p out" in run.badly("fit", cells, tmp_path / "fitted.h5ad", "--log1p")
    adata = anndata.read_h5ad(cells)
    adata.X = adata.X.toarray()
    sc.pp.scale(adata)
    adata.write_h5ad(tmp_path / "scaled.h5ad")
    said = run.badly("fit", tmp_path / "scaled.h5ad", tmp_path / "fitted.h5ad", "--normalize")
    assert "is no counts, but scaled or centred: leave" in said
    out = run.well("fit", tmp_path / "scaled.h5ad", tmp_path / "out.h5ad", *SHIFT)
    assert out.count("as scaled values are") == 1
    said = run.badly("fit", fitted_file, tmp_path / "fitted.h5ad", "--test-fraction", 0.3)
    assert "exists, but --test-fraction makes a new split" in said


def test_an_autoencoder_of_chosen_genes(run: Run, cells: Path, tmp_path: Path) -> None:
    out = run.well("fit", cells, tmp_path / "fitted.h5ad", "--represent", "autoencoder", *SHIFT, "--n-top-genes", 99)
    assert "chose 60 of 60 genes" in out and "represented cells by autoencoder" in out


def test_cells_are_all_that_is_asked_for() -> None:
    assert Preparing(keep=["a=1", "b=x", "a=2"]).kept == {"a": ["1", "2"], "b": ["x"]}
    assert grouped([], what="--keep") == {}
    assert not Preparing(keep=["a=1"]).changes and Preparing(n_top_genes=3).changes


def test_cells_without_counts_are_counted_in_words_of_ours(run: Run, raw: Path, tmp_path: Path) -> None:
    adata = anndata.read_h5ad(raw)
    x = adata.X.toarray() if hasattr(adata.X, "toarray") else adata.X
    x[:3] = 0
    adata.X = x
    adata.write_h5ad(tmp_path / "empty.h5ad")
    out = run.well("fit", tmp_path / "empty.h5ad", tmp_path / "new.h5ad", "--normalize", "--log1p", *SHIFT)
    assert f"3 of {adata.n_obs} cells have no counts, and stay as they are" in out
    assert "zero counts" not in out


def test_without_cells_to_judge_by_that_is_said(run: Run, cells: Path, tmp_path: Path) -> None:
    fit, said = ("fit", cells, tmp_path / "new.h5ad", *SHIFT, "--test-fraction", 0), "nothing can be judged"
    assert said in run.well(*fit)
    assert said not in run.well(*fit, "--holdout", "patient=patient_0", "--overwrite")

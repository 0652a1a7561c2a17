from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pytest
import zarr
from anndata import AnnData
from scipy import sparse

import cellot_sc as cs
from cellot_sc import _chunks
from cellot_sc._arrays import dense
from cellot_sc.pp import Space
from cellot_sc.pp._reference import MAX_MISSING, Reference, place

N_TRAIN = 400


def split_of(n_cells: int) -> np.ndarray:
    return np.where(np.arange(n_cells) < N_TRAIN, "train", "test")


@pytest.fixture(scope="module")
def cells() -> AnnData:
    """Split cells with components of ``X`` and of a layer. Copy them before you change them."""
    adata = cs.datasets.simulate(n_cells=600, n_genes=100, seed=1)
    adata.obs["split"] = split_of(600)
    adata.layers["half"] = adata.X / 2
    cs.pp.represent(adata, n_components=10)
    cs.pp.represent(adata, n_components=10, layer="half", key_added="X_half")
    return adata


@pytest.fixture(scope="module")
def reference(cells: AnnData) -> Reference:
    return of(cells, "X_cellot")


@pytest.fixture
def new(cells: AnnData) -> AnnData:
    """Cells that were not learnt from, with nothing but expression."""
    rest = cells[N_TRAIN:]
    return AnnData(rest.X.copy(), obs=rest.obs[[]].copy(), var=rest.var[[]].copy())


def of(adata: AnnData, name: str, rows: Any = slice(N_TRAIN)) -> Reference:
    found = Reference.of(Space(adata, name), rows)
    assert found is not None
    return found


def lacking(new: AnnData, reference: Reference, share: float, seed: int = 0) -> AnnData:
    """Return cells without genes, chosen at random, that carry a share of the squared loadings."""
    order = np.random.default_rng(seed).permutation(len(reference.genes))
    n = np.searchsorted(np.cumsum(reference.weight[order]), share)
    return new[:, np.sort(order[n:])].copy()


class TestOf:
    def test_what_it_is(self, cells: AnnData, reference: Reference) -> None:
        x = cells.X[:N_TRAIN].toarray().astype(np.float64)
        assert (reference.genes, reference.layer) == (tuple(cells.var_names), "X")
        np.testing.assert_allclose(reference.mean, x.mean(axis=0), rtol=1e-5)
        squared = np.square(cells.uns["X_cellot"]["components"]).sum(axis=0)
        np.testing.assert_allclose(reference.weight, squared / squared.sum(), rtol=1e-4)
        assert reference.factors.shape == (20, 100)
        np.testing.assert_allclose(np.square(reference.factors).sum(axis=0) + reference.noise, x.var(axis=0), rtol=1e-4)
        assert reference.scale.logarithm == "ln"

    def test_only_the_chosen_cells_count(self, cells: AnnData, reference: Reference) -> None:
        other = cells.copy()
        other.X[N_TRAIN:] = other.X[N_TRAIN:] * 3
        again = of(other, "X_cellot")
        np.testing.assert_array_equal(again.noise, reference.noise)
        mask = np.arange(600) < N_TRAIN
        np.testing.assert_array_equal(of(cells, "X_cellot", mask).factors, reference.factors)

    def test_dense_is_as_sparse(self, cells: AnnData, reference: Reference) -> None:
        other = cells.copy()
        other.X = other.X.toarray()
        found = of(other, "X_cellot")
        np.testing.assert_allclose(found.factors.T @ found.factors, reference.factors.T @ reference.factors, atol=1e-3)

    def test_layer(self, cells: AnnData) -> None:
        found = of(cells, "X_half")
        assert found.layer == "half"
        np.testing.assert_allclose(found.mean, of(cells, "X_cellot").mean / 2, rtol=1e-5)

    def test_expression_itself(self, cells: AnnData, reference: Reference) -> None:
        found = of(cells, "X")
        np.testing.assert_array_equal(found.mean, reference.mean)
        assert found.weight.sum() == pytest.approx(1)

    def test_genes_are_those_of_the_decoder(self, cells: AnnData, reference: Reference) -> None:
        other = cells[:, ::-1].copy()
        found = of(other, "X_cellot")
        assert found.genes == reference.genes
        np.testing.assert_allclose(found.mean, reference.mean)

    def test_nothing_where_there_is_no_expression(self, cells: AnnData) -> None:
        other = cells.copy()
        del other.layers["half"]
        other.obsm["X_foreign"] = np.ones((600, 3))
        assert Reference.of(Space(other, "X_half"), slice(N_TRAIN)) is None
        assert Reference.of(Space(other, "X_foreign"), slice(N_TRAIN)) is None

    def test_few_cells_and_genes(self, cells: AnnData) -> None:
        few = cells[:12, :6].copy()
        few.X = few.X.toarray()
        few.X[:, 0] = 1
        found = Reference.read(of(few, "X", slice(12)).state())
        assert found.factors.shape == (6, 6)
        filled = found.matched(few[:, 1:].copy()).x
        np.testing.assert_allclose(filled[:, 0], 1, atol=1e-5)


def test_state_makes_it_again(reference: Reference, new: AnnData) -> None:
    part = lacking(new, reference, 0.1)
    again = Reference.read(reference.state())
    np.testing.assert_array_equal(again.matched(part).x.toarray(), reference.matched(part).x.toarray())
    for name, value, message in (
        ("genes", np.array(["a", "b"]), r"reference.mean has shape \(100,\); \(2\) is needed"),
        ("noise", -reference.noise, "reference.noise is .*; positive numbers are needed"),
        ("scale", {}, "reference.scale.kind is missing"),
    ):
        with pytest.raises(ValueError, match=message):
            Reference.read(reference.state() | {name: value})


class TestMatched:
    def test_any_order_and_others(self, cells: AnnData, reference: Reference, new: AnnData) -> None:
        order = np.random.default_rng(0).permutation(100)
        more = new[:, order].copy()
        more = AnnData(sparse.hstack([more.X, more.X[:, :3]], format="csr"))
        more.var_names = [*new.var_names[order], "other", "another", "another"]
        matched = reference.matched(more)
        assert sparse.issparse(matched.x) and matched.x.dtype == np.float32
        np.testing.assert_array_equal(matched.x.toarray(), new.X.toarray())
        np.testing.assert_array_equal(order[matched.columns], np.arange(100))
        assert (matched.missing, matched.share) == ((), 0)

    def test_cells_of_genes_that_are_not_needed_may_hold_anything(self, reference: Reference, new: AnnData) -> None:
        more = AnnData(np.hstack([new.X.toarray(), np.full((200, 1), np.nan)]))
        more.var_names = [*new.var_names, "other"]
        np.testing.assert_array_equal(reference.matched(more).x, new.X.toarray())
        more.X[3, 5] = np.nan
        with pytest.raises(ValueError, match=r"adata.X holds NaN or inf in 1 of 200 cells"):
            reference.matched(more)

    def test_missing_genes_are_filled_and_named(
        self, reference: Reference, new: AnnData, caplog: pytest.LogCaptureFixture
    ) -> None:
        part = new[:, 2:].copy()
        matched = reference.matched(part)
        assert matched.missing == tuple(new.var_names[:2])
        assert matched.columns.tolist() == [-1, -1, *range(98)]
        assert matched.share == pytest.approx(reference.weight[:2].sum())
        assert sparse.issparse(matched.x)
        np.testing.assert_array_equal(matched.x[:, 2:].toarray(), part.X.toarray())
        assert f"2 of 100 genes are missing ({new.var_names[0]!r}, {new.var_names[1]!r}), which carry" in caplog.text
        levels = [(share, reference.matched(lacking(new, reference, share))) for share in (0.04, 0.15)]
        assert [one.levelname for one in caplog.records[-2:]] == ["INFO", "WARNING"]
        assert [round(one.share, 1) for _, one in levels] == [0.0, 0.1]

    def test_they_are_filled_by_what_the_others_say(self, reference: Reference, new: AnnData) -> None:
        part = lacking(new, reference, 0.15)
        matched = reference.matched(part)
        gone = matched.columns < 0
        truth, filled = new.X[:, gone].toarray(), matched.x[:, gone].toarray()
        by_mean = np.square(truth - reference.mean[gone]).sum()
        assert np.square(truth - filled).sum() < 0.75 * by_mean
        assert filled.min() >= 0
        # a joint normal distribution of all genes says the same
        covariance = reference.factors.T @ reference.factors + np.diag(reference.noise)
        centred = part.X.toarray() - reference.mean[~gone]
        z = np.linalg.solve(covariance[np.ix_(~gone, ~gone)].astype(np.float64), centred.T).T
        expected = reference.mean[gone] + z @ covariance[np.ix_(~gone, gone)]
        np.testing.assert_allclose(filled, np.clip(expected, 0, reference.scale.high), atol=1e-3)

    def test_one_cell_gets_what_it_gets_among_all(self, reference: Reference, new: AnnData) -> None:
        part = lacking(new, reference, 0.1)
        alone = reference.matched(part[7].copy()).x.toarray()
        np.testing.assert_allclose(alone[0], reference.matched(part).x[7].toarray()[0], atol=1e-5)
        assert reference.matched(part[:0].copy()).x.shape == (0, 100)

    def test_names_in_a_column(self, reference: Reference, new: AnnData) -> None:
        other = new.copy()
        other.var["symbol"] = other.var_names
        other.var_names = [f"ENSG{i}" for i in range(100)]
        np.testing.assert_array_equal(reference.matched(other, gene_key="symbol").x.toarray(), new.X.toarray())
        with pytest.raises(KeyError, match=r"gene_key 'symbols' is not in adata.var. Did you mean 'symbol'"):
            reference.matched(other, gene_key="symbols")

    def test_layer(self, cells: AnnData, new: AnnData) -> None:
        half = of(cells, "X_half")
        new.layers["half"] = new.X / 2
        new.layers["norm"] = new.layers["half"].copy()
        expected = new.layers["half"].toarray()
        np.testing.assert_array_equal(half.matched(new).x.toarray(), expected)
        np.testing.assert_array_equal(half.matched(new, layer="norm").x.toarray(), expected)
        new.X = new.layers["half"]
        np.testing.assert_array_equal(half.matched(new, layer="X").x.toarray(), expected)
        del new.layers["half"]
        with pytest.raises(KeyError, match=r"layer 'half' is not in adata.layers"):
            half.matched(new)

    def test_what_is_matched_is_left_as_it_was(self, reference: Reference, new: AnnData) -> None:
        part = lacking(new, reference, 0.1)
        before = part.copy()
        reference.matched(part)
        np.testing.assert_array_equal(part.X.toarray(), before.X.toarray())
        assert (part.X.dtype, list(part.var_names)) == (before.X.dtype, list(before.var_names))


class TestRefused:
    def test_too_few_genes(self, reference: Reference, new: AnnData) -> None:
        part = lacking(new, reference, MAX_MISSING + 0.05)
        message = (
            rf"adata.var_names has {part.n_vars} of the 100 genes that were represented; those that are missing "
            r"\('gene_.*, \.\.\.\) carry 2\d % of the squared loadings, and 20 % may be filled. Give the genes that"
        )
        with pytest.raises(ValueError, match=message):
            reference.matched(part)
        reference.matched(lacking(new, reference, MAX_MISSING))

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (lambda genes: [name.capitalize() for name in genes], "100 are there under other names: they differ in up"),
            (lambda genes: [f"{name}.3" for name in genes], "100 are there under other names: they differ in the vers"),
            (lambda genes: [f"ENSG{i}" for i in range(len(genes))], "names: give gene_key='symbol'"),
        ],
        ids=["species", "versions", "column"],
    )
    def test_other_names(self, reference: Reference, new: AnnData, names: Any, message: str) -> None:
        other = new.copy()
        other.var_names = names(new.var_names)
        if "gene_key=" in message:
            other.var["symbol"] = list(new.var_names)
        with pytest.raises(ValueError, match=message):
            reference.matched(other)

    def test_names_elsewhere(self, reference: Reference, new: AnnData) -> None:
        with pytest.raises(
            ValueError, match=r"100 are there under other names: adata.obs_names has them: give adata.T"
        ):
            reference.matched(new.T.copy())
        other = new.copy()
        other.var["chrom"] = "1"
        with pytest.raises(
            ValueError, match=r"adata.var\['chrom'\] has 0 of .* leave gene_key out, adata.var_names has"
        ):
            reference.matched(other, gene_key="chrom")

    @pytest.mark.filterwarnings("ignore:Variable names are not unique")
    def test_a_gene_that_is_there_twice(self, reference: Reference, new: AnnData) -> None:
        twice = new[:, [*range(100), 3]].copy()
        with pytest.raises(ValueError, match=r"adata.var_names has 1 of the genes more than once \('gene_03'\): which"):
            reference.matched(twice)

    def test_other_numbers(self, reference: Reference, new: AnnData) -> None:
        new.layers["counts"] = np.round(np.expm1(new.X.toarray()))
        with pytest.raises(ValueError, match=r"adata.layers\['counts'\] holds whole numbers only, as counts do"):
            reference.matched(new, layer="counts")
        new.X = new.X / np.log(2)
        with pytest.raises(ValueError, match=r"adata.X is log2 of counts, and what was fitted ln"):
            reference.matched(new)

    def test_what_is_not_in_memory(
        self, cells: AnnData, reference: Reference, new: AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_chunks, "MAX_VALUES", 50 * 100)
        few = lacking(new, reference, 0.1)
        few.write_zarr(tmp_path / "new.zarr")
        far = AnnData(ad.io.sparse_dataset(zarr.open_group(tmp_path / "new.zarr")["X"]), obs=few.obs, var=few.var)
        expected, found = reference.matched(few), reference.matched(far)
        assert found.missing == expected.missing and found.x.shape == expected.x.shape
        np.testing.assert_allclose(dense(found.x), dense(expected.x), atol=1e-6)
        given = {"decoder": cells.uns["X_cellot"], "name": "X_cellot", "reference": reference, "n_dims": 10}
        np.testing.assert_allclose(place(far, **given)[0], place(few, **given)[0], atol=1e-5)
        cells.write_zarr(tmp_path / "cells.zarr")
        learnt = cells.copy()
        learnt.X = ad.io.sparse_dataset(zarr.open_group(tmp_path / "cells.zarr")["X"])
        again = of(learnt, "X_cellot")
        np.testing.assert_allclose(again.scale.totals, reference.scale.totals, rtol=1e-6)
        assert again.scale.words == reference.scale.words
        np.testing.assert_allclose(again.mean, reference.mean)


class TestPlace:
    @pytest.mark.parametrize("method", ["pca", "autoencoder"])
    def test_as_the_old_ones_in_any_order(self, cells: AnnData, new: AnnData, method: str) -> None:
        adata = cells.copy()
        if method == "autoencoder":
            cs.pp.represent(adata, method, n_components=10, hidden=(16,), n_steps=25)
        decoder, reference = adata.uns["X_cellot"], of(adata, "X_cellot")
        shuffled = new[:, np.random.default_rng(0).permutation(100)].copy()
        found, matched = place(shuffled, decoder, "X_cellot", reference, n_dims=10)
        assert found.dtype == np.float32 and matched is not None
        np.testing.assert_allclose(found, adata.obsm["X_cellot"][N_TRAIN:], atol=1e-5)
        by_factors, by_mean = list[float](), list[float]()
        mean = replace(reference, factors=0 * reference.factors)
        for draw in range(10):
            part = lacking(new, reference, 0.05, seed=draw)
            for one, off in ((reference, by_factors), (mean, by_mean)):
                filled, _ = place(part, decoder, "X_cellot", one, n_dims=10)
                off.append(np.linalg.norm(filled - found, axis=1).mean())
        assert np.mean(by_factors) < 0.9 * np.mean(by_mean)

    def test_expression_itself(self, cells: AnnData, new: AnnData) -> None:
        found, matched = place(new[:, ::-1].copy(), None, "X", of(cells, "X"), n_dims=100)
        np.testing.assert_array_equal(found, new.X.toarray())
        assert isinstance(found, np.ndarray) and matched is not None

    def test_components_of_scanpy(self, cells: AnnData, new: AnnData) -> None:
        sc = pytest.importorskip("scanpy")
        adata = cells.copy()
        sc.pp.pca(adata, n_comps=10)
        cs.tl.cellot(adata, use_rep="X_pca", solver="mean_shift")
        decoder, reference = adata.uns["X_pca"], of(adata, "X_pca")
        found, _ = place(new[:, ::-1].copy(), decoder, "X_pca", reference, n_dims=10)
        np.testing.assert_allclose(found, adata.obsm["X_pca"][N_TRAIN:], atol=1e-3)
        filled, _ = place(lacking(new, reference, 0.05), decoder, "X_pca", reference, n_dims=10)
        assert np.linalg.norm(filled - found, axis=1).mean() < 0.2 * np.linalg.norm(found, axis=1).mean()

    def test_spaces_that_were_made_elsewhere(self, new: AnnData) -> None:
        with pytest.raises(
            KeyError, match=r"get_latent_representation of the trained model.*into new.obsm\['X_scVI'\]"
        ):
            place(new, None, "X_scVI", None, n_dims=3)
        new.obsm["X_scVI"] = np.ones((200, 3))
        found, matched = place(new, None, "X_scVI", None, n_dims=3)
        assert found.dtype == np.float32 and matched is None
        with pytest.raises(ValueError, match=r"adata.obsm\['X_scVI'\] has shape \(200, 3\); \(n_cells, 4\) is needed"):
            place(new, None, "X_scVI", None, n_dims=4)
        new.obsm["X_scVI"][0] = np.nan
        with pytest.raises(ValueError, match=r"adata.obsm\['X_scVI'\] holds NaN or inf in 1 of 200 cells"):
            place(new, None, "X_scVI", None, n_dims=3)

    def test_nothing_known_of_the_expression(self, cells: AnnData, new: AnnData) -> None:
        with pytest.raises(ValueError, match="Nothing is known of the expression that 'X_cellot' was made of"):
            place(new, cells.uns["X_cellot"], "X_cellot", None, n_dims=10)


@pytest.fixture(scope="module")
def kang(kang_cells: AnnData) -> AnnData:
    """All genes, log-normalised, with the split that leaves one patient out."""
    adata = kang_cells.copy()
    cs.pp.split(adata, "condition", holdout={"patient": "1015"})
    return adata


@pytest.fixture(scope="module")
def fitted(kang: AnnData) -> AnnData:
    import scanpy as sc

    found = sc.pp.highly_variable_genes(kang[kang.obs["split"] == "train"], n_top_genes=1000, inplace=False)
    adata = kang[:, found["highly_variable"].to_numpy()].copy()
    cs.pp.represent(adata)
    cs.pp.represent(adata, "autoencoder", key_added="X_ae")
    for name in ("X_cellot", "X_ae"):
        cs.tl.cellot(adata, "condition", use_rep=name, solver="gaussian", key_added=name.removeprefix("X_") + "_maps")
    return adata


@pytest.fixture(scope="module")
def known(fitted: AnnData) -> Reference:
    return of(fitted, "X_cellot", (fitted.obs["split"] == "train").to_numpy())


@pytest.mark.slow
class TestKang:
    @pytest.mark.parametrize("name", ["X_cellot", "X_ae"])
    def test_a_patient_of_whom_genes_are_missing(self, kang: AnnData, fitted: AnnData, name: str) -> None:
        train = (fitted.obs["split"] == "train").to_numpy()
        chosen = ((fitted.obs["split"] == "ood") & (fitted.obs["condition"] == "control")).to_numpy()
        reference = of(fitted, name, train)
        mean = replace(reference, factors=0 * reference.factors)
        moved = cs.tl.maps(fitted, name.removeprefix("X_") + "_maps")["stimulated"].transport
        new = kang[chosen].copy()[:, ::-1].copy()

        def placed(adata: AnnData, by: Reference) -> np.ndarray:
            return place(adata, fitted.uns[name], name, by, n_dims=50)[0]

        at = placed(new, reference)
        np.testing.assert_allclose(at, fitted.obsm[name][chosen], atol=1e-5 * np.abs(at).max())
        length = np.linalg.norm(moved(at) - at, axis=1).mean()
        new, off = new[:, list(reference.genes)].copy(), np.empty((10, 2))
        for draw in range(10):
            part = lacking(new, reference, 0.05, seed=draw)
            for i, by in enumerate((reference, mean)):
                off[draw, i] = np.linalg.norm(moved(placed(part, by)) - moved(at), axis=1).mean() / length
        assert off[:, 0].mean() < 0.18
        assert off[:, 0].mean() < 0.9 * off[:, 1].mean()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda adata: adata.layers["counts"], "as counts do"),
            (lambda adata: adata.layers["counts"].log1p(), "were not normalised"),
            (lambda adata: adata.X / np.log(2), "is log2 of counts"),
            (lambda adata: (adata.X.expm1() * 100).log1p(), r"was normalised to 1e\+06 counts per cell"),
            (lambda adata: adata.X - adata.X.mean(axis=0), "was scaled or centred"),
        ],
        ids=["counts", "depth", "log2", "million", "centred"],
    )
    def test_expression_of_another_kind(self, kang: AnnData, known: Reference, change: Any, message: str) -> None:
        new = kang[kang.obs["patient"] == "1015", list(known.genes)].copy()
        for cell_type in new.obs["cell_type"].unique():
            known.matched(new[new.obs["cell_type"] == cell_type].copy())
        new.X = np.asarray(change(new)) if "centred" in message else change(new)
        with pytest.raises(ValueError, match=message):
            known.matched(new)
        new.var_names = new.var_names.str.capitalize()
        with pytest.raises(ValueError, match="as symbols of mouse and human do"):
            known.matched(new)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from cellot_sc import _validate


def test_finite() -> None:
    x = np.ones((3, 2))
    assert _validate.finite(x, what="X_pca") is x
    x[0, 0], x[0, 1], x[2, 1] = np.nan, -np.inf, np.inf
    with pytest.raises(ValueError, match="X_pca holds NaN or inf in 2 of 3 cells"):
        _validate.finite(x, what="X_pca")


def test_representation_key(adata: AnnData) -> None:
    assert _validate.representation_key(adata, "X_pca") == "X_pca"
    assert _validate.representation_key(adata, "X") == "X"
    with pytest.raises(KeyError, match=r"use_rep 'X_pcs' is not in adata\.obsm\. Did you mean 'X_pca'\?"):
        _validate.representation_key(adata, "X_pcs")


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_finite_of_dense_and_sparse(kind: type) -> None:
    good = kind(np.array([[0.0, 1.0], [2.0, 0.0]]))
    assert _validate.finite(good, what="X") is good
    with pytest.raises(ValueError, match="X holds NaN or inf in 1 of 2 cells"):
        _validate.finite(kind(np.array([[0.0, 1.0], [np.nan, np.inf]])), what="X")


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_numbers_that_are_infinite_in_single_precision(kind: type) -> None:
    with pytest.raises(ValueError, match=r"X holds numbers beyond 3\.4e38 in 1 of 2 cells"):
        _validate.finite(kind(np.array([[0.0, 1.0], [0.0, -1e39]])), what="X")


@pytest.mark.parametrize("where", ["X", "layer", "raw"])
def test_masked_expression_is_refused_wherever_it_is_kept(adata: AnnData, where: str) -> None:
    adata.X = np.ma.array(adata.X, mask=adata.X == 2.5)
    adata.layers["logs"] = adata.X
    adata.raw = adata
    read = {
        "X": lambda: _validate.expression(adata, None),
        "layer": lambda: _validate.expression(adata, "logs"),
        "raw": lambda: _validate.log_expression(AnnData(-np.ones((5, 2)), raw=adata.raw), what="adata"),
    }
    with pytest.raises(ValueError, match="is masked at 1 of 10 values"):
        read[where]()


def test_masked_numbers_are_refused_in_weights_points_and_places(adata: AnnData) -> None:
    hidden = np.ma.array(np.ones((5, 2)), mask=[[False, True]] + [[False, False]] * 4)
    adata.obsm["spatial"] = hidden
    for read in (
        lambda: _validate.positive_weights(hidden[0], 2, what="w"),
        lambda: _validate.points(hidden, n_dims=2, what="latent"),
        lambda: _validate.coordinates(adata, "spatial", np.arange(2)),
        lambda: _validate.plane(adata, "spatial", also=[]),
        lambda: _validate.clones(adata, "spatial"),
    ):
        with pytest.raises(ValueError, match="is masked at 1 of"):
            read()


class TestCounts:
    @pytest.fixture
    def counts(self) -> np.ndarray:
        return np.random.default_rng(0).poisson([0.5, 2, 4, 30], size=(60, 4)).astype(np.float32)

    GENES = pd.Index(["Gapdh", "MT-CO1", "ENSG00000141510.18", "H2-K1"])

    @pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_array, lambda x: x.astype(int)])
    def test_of_genes_are_warned_of(
        self, counts: np.ndarray, kind: Callable[..., Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        _validate.usual_expression(kind(counts), self.GENES, what="adata.X")
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "adata.X holds whole numbers only, as counts do: normalise it and take log1p" in caplog.text

    @pytest.mark.parametrize(
        ("change", "names"),
        [
            pytest.param(lambda x: np.log1p(x), GENES, id="logarithms"),
            pytest.param(lambda x: x + 1, GENES, id="never-zero"),
            pytest.param(lambda x: x > 2, GENES, id="marks"),
            pytest.param(lambda x: x * 0, GENES, id="nothing"),
            pytest.param(lambda x: x[:0], GENES, id="no-cells"),
            pytest.param(lambda x: x, ["# of branches", "Foreground pixels", "Area", "Mean radius"], id="of-images"),
        ],
    )
    def test_what_is_none_is_not(
        self, counts: np.ndarray, change: Callable[..., Any], names: pd.Index, caplog: pytest.LogCaptureFixture
    ) -> None:
        _validate.usual_expression(change(counts), pd.Index(names), what="adata.X")
        assert not caplog.records


class TestUnusualExpression:
    @pytest.fixture
    def logs(self) -> np.ndarray:
        counts = np.random.default_rng(0).poisson([0.5, 1, 2, 3, 0.2], size=(200, 5)).astype(np.float64)
        return np.log1p(counts / 1.3)

    GENES = pd.Index(["Gapdh", "MT-CO1", "ENSG00000141510.18", "H2-K1", "gene_3"])

    @pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_array])
    def test_says_nothing_of_logarithms(self, logs: np.ndarray, kind: Callable[..., Any]) -> None:
        assert _validate.unusual_expression(kind(logs), self.GENES) == ""
        assert _validate.unusual_expression(kind(np.log2(1 + 1e6 * np.expm1(logs) / 10)), self.GENES) == ""

    @pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_array])
    def test_names_what_was_normalised_and_not_logged(self, logs: np.ndarray, kind: Callable[..., Any]) -> None:
        words = _validate.unusual_expression(kind(1e3 * np.expm1(logs)), self.GENES)
        assert words.startswith("holds values up to ") and "take log1p" in words

    def test_tells_what_was_scaled_from_what_is_else_below_zero(self, logs: np.ndarray) -> None:
        scaled = (logs - logs.mean(axis=0)) / logs.std(axis=0)
        assert "as scaled values are" in _validate.unusual_expression(scaled, self.GENES)
        assert "as scaled values are" in _validate.unusual_expression(scaled.clip(-10, 2), self.GENES)
        centred = _validate.unusual_expression(logs - 1, self.GENES)
        assert centred.startswith("holds values below 0 (down to -1)")
        assert _validate.unusual_expression(sparse.csr_matrix(-logs), self.GENES).startswith("holds values below 0")

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda x, rng: rng.normal(size=x.shape), id="coordinates"),
            pytest.param(lambda x, rng: x - rng.uniform(0, 0.1, x.shape) * (x == 0), id="noise-below-zero"),
            pytest.param(lambda x, rng: (rng.normal(size=x.shape) * 50).round() / 50, id="steps-of-a-detector"),
            pytest.param(lambda x, rng: np.where(x == 0, np.nan, 100 * x), id="missing"),
            pytest.param(lambda x, rng: np.full(x.shape, -1.0), id="one-value"),
        ],
    )
    def test_says_nothing_of_what_is_of_no_genes(self, logs: np.ndarray, change: Callable[..., Any]) -> None:
        x = change(np.tile(logs, (5, 1)), np.random.default_rng(1))
        assert _validate.unusual_expression(x, self.GENES) == ""

    def test_looks_at_some_cells_in_memory_or_in_a_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cellot_sc._validate._matrices.MAX_VALUES", 100)
        counts = np.random.default_rng(0).poisson(1, size=(200, 5)).astype(np.float32)
        counts[1] = 0.5
        assert _validate.unusual_expression(counts, self.GENES) == _validate.COUNTS
        monkeypatch.setattr("cellot_sc._chunks.MAX_VALUES", 100)
        AnnData(counts[2:]).write_h5ad(tmp_path / "cells.h5ad")
        cells = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
        cells.var_names = self.GENES
        assert _validate.words_on_expression(cells) == f"adata.X {_validate.COUNTS}"
        cells.file.close()

    def test_of_a_layer_or_of_none(self) -> None:
        counts = np.random.default_rng(0).poisson(1, size=(50, 3)).astype(np.float32)
        cells = AnnData(np.log1p(counts), layers={"counts": counts})
        assert _validate.words_on_expression(cells) == _validate.words_on_expression(cells, "X") == ""
        assert _validate.words_on_expression(cells, "counts") == f"adata.layers['counts'] {_validate.COUNTS}"
        assert (
            _validate.words_on_expression(cells, "gone") == _validate.words_on_expression(AnnData(obs=cells.obs)) == ""
        )

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("kang_harmony_scgen", "whole numbers only"),
            ("hagai_toy_libra", "whole numbers only"),
            ("larry_cospar_781", "holds values up to 2,717"),
            *[(name, "") for name in ("perturbench_devel", "chi11_stimuli", "eb_pca5", "dapg_dose")],
            ("microglia_1xlps", "has features on very different scales (standard deviations of "),
        ],
    )
    def test_of_real_cells(self, test_data: Path, name: str, words: str) -> None:
        found = _validate.words_on_expression(ad.read_h5ad(test_data / f"{name}.h5ad"))
        assert words in found if words else found == ""


def test_features_of_images_are_no_counts(test_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    cells = ad.read_h5ad(test_data / "microglia_1xlps.h5ad")
    x = np.asarray(cells.X)
    whole = (x % 1 == 0).all(axis=0)
    assert whole.sum() == 11
    _validate.usual_expression(x[:, whole], cells.var_names[whole], what="adata.X")
    assert [record.getMessage()[:43] for record in caplog.records] == ["adata.X has features on very different scal"]


class TestGeneNames:
    def test_are_text(self, adata: AnnData) -> None:
        assert _validate.gene_names(adata).tolist() == ["g0", "g1"]

    @pytest.mark.parametrize("missing", [np.nan, None, ""])
    def test_a_name_is_missing(self, adata: AnnData, missing: Any) -> None:
        adata.var_names = pd.Index(["g0", missing], dtype=object)
        with pytest.raises(ValueError, match=r"var_names are missing for 1 of 2 features, the first at position 1"):
            _validate.gene_names(adata)

    @pytest.mark.filterwarnings("ignore:Variable names are not unique")
    def test_two_genes_of_one_name(self, adata: AnnData) -> None:
        adata.var_names = ["g0", "g0"]
        with pytest.raises(ValueError, match=r"var_names are not unique \(\['g0'\] \.\.\.\)"):
            _validate.gene_names(adata)


class TestLogExpression:
    def test_is_x(self, adata: AnnData) -> None:
        x, genes = _validate.log_expression(adata, what="baseline")
        assert x is adata.X
        assert genes.tolist() == ["g0", "g1"]

    def test_is_raw_where_x_is_scaled(self, adata: AnnData) -> None:
        adata.raw = adata
        scaled = adata[:, :1].copy()
        assert scaled.X is not None
        scaled.X = scaled.X - 1
        x, genes = _validate.log_expression(scaled, what="baseline")
        np.testing.assert_array_equal(x, adata.X)
        assert genes.tolist() == ["g0", "g1"]

    @pytest.mark.parametrize(
        ("x", "match"),
        [
            pytest.param([[-1.0, 0.5]], "no expression without negative values", id="scaled"),
            pytest.param([[1.0, 3.0]], "whole numbers only, as counts do", id="counts"),
            pytest.param([[0.5, np.inf]], "NaN or inf in 1 of 1 cells", id="infinite"),
        ],
    )
    def test_bad_expression(self, x: list[list[float]], match: str) -> None:
        with pytest.raises(ValueError, match=match):
            _validate.log_expression(AnnData(np.array(x, dtype=np.float32)), what="baseline")


def test_features_in_units_of_their_own_are_told() -> None:
    x = np.random.default_rng(0).normal(5, 1, (200, 9)).clip(0.1)
    names = pd.Index([f"area {i}" for i in range(9)])
    assert _validate.unusual_expression(x, names) == ""
    x[:, 0] *= 50
    assert _validate.unusual_expression(x, names) == ""
    x[:, 0] *= 4
    assert "on very different scales (standard deviations of " in _validate.unusual_expression(x, names)

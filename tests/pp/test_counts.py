from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

import cellot_sc as cs
from cellot_sc.pp._counts import Noise


@pytest.fixture(scope="module")
def fitted() -> AnnData:
    """Cells that are represented in fewer dimensions than genes, so that something is lost."""
    adata = cs.datasets.simulate(2400, 120, seed=0)
    cs.pp.split(adata, test_fraction=0.4)
    cs.pp.represent(adata, n_components=8)
    cs.tl.cellot(adata, solver="gaussian")
    return adata


@pytest.fixture
def predicted(fitted: AnnData) -> AnnData:
    """After the drug that changes nothing: source and treated cells have the same depth."""
    return cs.tl.predict(fitted, "drug_b")


def counts_of(adata: AnnData, observed: AnnData, **options: Any) -> np.ndarray:
    out = cs.pp.to_counts(adata, observed, copy=True, **options)
    assert out is not None
    return np.asarray(out.layers["counts"].toarray(), dtype=np.float64)


def treated(adata: AnnData, name: str = "drug_b", split: str = "test") -> np.ndarray:
    cells = ((adata.obs["perturbation"] == name) & (adata.obs["split"] == split)).to_numpy()
    return np.asarray(adata.layers["counts"][cells].toarray(), dtype=np.float64)


def test_whole_numbers_in_a_sparse_layer(fitted: AnnData, predicted: AnnData) -> None:
    before = predicted.copy()
    assert cs.pp.to_counts(predicted, fitted) is None
    counts = predicted.layers["counts"]
    assert sparse.isspmatrix_csr(counts) or counts.format == "csr"
    assert counts.dtype == np.float32
    assert counts.min() >= 0 and not (counts.data % 1).any()
    np.testing.assert_array_equal(predicted.X, before.X)


@pytest.mark.parametrize(
    ("distribution", "low", "high"), [("negative_binomial", 0.93, 1.07), ("multinomial", 0.85, 1.0)]
)
def test_genes_have_mean_and_variance_of_observed_counts(
    fitted: AnnData, predicted: AnnData, distribution: str, low: float, high: float
) -> None:
    """Those of treated test cells, which nothing was learnt from, beside counts of what is decoded as it is."""
    drawn, observed = counts_of(predicted, fitted, distribution=distribution), treated(fitted)
    x = np.expm1(predicted.X.astype(np.float64))
    source = fitted[predicted.obs_names].layers["counts"].toarray().sum(axis=1)
    naive = np.random.default_rng(0).poisson(x / x.sum(axis=1, keepdims=True) * source[:, None])

    def off(counts: np.ndarray) -> float:
        return float(np.sqrt(np.mean(np.log((counts.mean(axis=0) + 0.01) / (observed.mean(axis=0) + 0.01)) ** 2)))

    assert np.corrcoef(np.log(drawn.mean(axis=0) + 0.01), np.log(observed.mean(axis=0) + 0.01))[0, 1] > 0.99
    assert off(drawn) < 0.1 < 0.13 < off(naive)
    assert low < np.median(drawn.var(axis=0) / observed.var(axis=0)) < high
    assert np.median(naive.var(axis=0) / observed.var(axis=0)) < 0.85
    assert (drawn == 0).mean() == pytest.approx((observed == 0).mean(), abs=0.012)
    assert (naive == 0).mean() > (observed == 0).mean() + 0.02


def test_means_and_variances_of_train_cells_are_met(fitted: AnnData) -> None:
    """Of cells that stay where they are, counts are drawn again as they were."""
    adata = fitted.copy()
    cs.tl.cellot(adata, solver="identity")
    control = ((adata.obs["perturbation"] == "control") & (adata.obs["split"] == "train")).to_numpy()
    predicted = cs.tl.predict(adata, "drug_b", cells=control)
    train = (fitted.obs["split"] == "train") & (fitted.obs["perturbation"] == "control")
    del adata.obs["split"]
    # control cells alone say how counts vary
    adata.obs["split"] = np.where(train, "train", "test")
    drawn, observed = counts_of(predicted, adata), treated(fitted, "control", "train")
    often = observed.mean(axis=0) > 0.5
    np.testing.assert_allclose(drawn.mean(axis=0)[often], observed.mean(axis=0)[often], rtol=0.25)
    ratio = drawn.var(axis=0)[often] / observed.var(axis=0)[often]
    assert 0.9 < np.median(ratio) < 1.1


def test_what_loses_nothing_gives_back_the_counts() -> None:
    adata = cs.datasets.simulate(300, 40)
    cs.tl.cellot(adata, use_rep="X", solver="identity")
    control = (adata.obs["perturbation"] == "control").to_numpy()
    predicted = cs.tl.predict(adata, "drug_b")
    drawn, expected = counts_of(predicted, adata), adata.layers["counts"][control].toarray()
    # factors of treated cells have half a count more, and nothing else
    assert np.abs(drawn - expected).mean() < 0.02


def test_same_seed_same_counts(fitted: AnnData, predicted: AnnData) -> None:
    for distribution in ("negative_binomial", "multinomial"):
        a, b, c = (counts_of(predicted, fitted, distribution=distribution, seed=seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


def test_nothing_is_learnt_from_cells_to_be_judged_by(fitted: AnnData, predicted: AnnData) -> None:
    adata = fitted.copy()
    judged = ((adata.obs["perturbation"] != "control") & (adata.obs["split"] == "test")).to_numpy()
    counts = adata.layers["counts"].toarray()
    counts[judged] = 7
    adata.layers["counts"] = sparse.csr_matrix(counts)
    np.testing.assert_array_equal(counts_of(predicted, adata), counts_of(predicted, fitted))


def test_genes_and_cells_in_another_order(fitted: AnnData, predicted: AnnData) -> None:
    rng = np.random.default_rng(0)
    shuffled = fitted[rng.permutation(fitted.n_obs), rng.permutation(fitted.n_vars)].copy()
    shuffled.layers["counts"] = shuffled.layers["counts"].toarray().astype(np.int64)
    a, b = counts_of(predicted, fitted), counts_of(predicted, shuffled)
    # up to the last bit of sums of cells in another order
    assert (a != b).mean() < 1e-3


def test_cells_of_several_targets(fitted: AnnData) -> None:
    both = cs.tl.predict(fitted)
    drawn = counts_of(both, fitted)
    inert = (both.obs["perturbation"] == "drug_b").to_numpy()
    # by the noise of their own target, and at the depth of their own source
    part = counts_of(both[inert].copy(), fitted)
    np.testing.assert_allclose(drawn[inert].mean(axis=0), part.mean(axis=0), rtol=0.3, atol=0.1)
    source = fitted[cs.tl.predict(fitted, "drug_b").obs_names].layers["counts"].sum(axis=1)
    for counts in (drawn[inert], drawn[~inert]):
        assert np.corrcoef(counts.sum(axis=1), np.asarray(source).ravel())[0, 1] > 0.8


@pytest.mark.parametrize("distribution", ["negative_binomial", "multinomial"])
def test_depth_from_a_column(fitted: AnnData, predicted: AnnData, distribution: str) -> None:
    predicted.obs["depth"] = np.linspace(0, 3000, predicted.n_obs)
    predicted.obs_names = [f"new_{i}" for i in range(predicted.n_obs)]
    drawn = counts_of(predicted, fitted, depth_key="depth", distribution=distribution)
    assert drawn[0].sum() == 0
    far = np.abs(drawn.sum(axis=1) - predicted.obs["depth"]) / np.maximum(predicted.obs["depth"], 1)
    assert far[400:].mean() < (0.15 if distribution == "negative_binomial" else 1e-3)
    with pytest.raises(ValueError, match="800 of 800 predicted cells were made from cells that are not in observed"):
        cs.pp.to_counts(predicted, fitted)


def test_a_response_changes_the_total() -> None:
    """Source cells keep the factor from normalised to raw counts, not the total."""
    adata = cs.datasets.simulate(300, 40)
    cs.tl.cellot(adata, use_rep="X", solver="identity")
    predicted = cs.tl.predict(adata, "drug_b")
    total = counts_of(predicted, adata).sum()
    predicted.X = np.log1p(2 * np.expm1(predicted.X))
    assert counts_of(predicted, adata).sum() == pytest.approx(2 * total, rel=0.01)


def test_of_a_target_without_train_cells_control_cells_tell(
    fitted: AnnData, predicted: AnnData, caplog: pytest.LogCaptureFixture
) -> None:
    adata = fitted.copy()
    parts = adata.obs["split"].astype(str)
    adata.obs["split"] = np.where(adata.obs["perturbation"] == "drug_b", "test", parts)
    with caplog.at_level(logging.INFO, "cellot_sc"):
        drawn = counts_of(predicted, adata)
    assert "there are no train cells of 'drug_b': control cells say how its counts vary" in caplog.messages
    assert caplog.messages[-1] == f"added layers['counts']: {drawn.sum(axis=1).mean():.4g} counts per cell"
    assert np.median(drawn.mean(axis=0) / treated(fitted).mean(axis=0)) == pytest.approx(1, abs=0.1)
    adata.obs["split"] = "test"
    with pytest.raises(ValueError, match="observed has no train cells: give the AnnData"):
        cs.pp.to_counts(predicted, adata)


def test_expression_of_a_layer_and_counts_in_x(fitted: AnnData) -> None:
    adata = fitted.copy()
    adata.layers["lognorm"], adata.layers["raw"] = adata.X, adata.layers["counts"]
    adata.X = adata.layers["counts"]
    cs.pp.represent(adata, n_components=8, layer="lognorm")
    cs.tl.cellot(adata, solver="gaussian")
    predicted = cs.tl.predict(adata, "drug_b")
    cs.pp.to_counts(predicted, adata, counts_layer="raw")
    np.testing.assert_array_equal(
        predicted.layers["raw"].toarray(), counts_of(cs.tl.predict(fitted, "drug_b"), fitted).astype(np.float32)
    )


def test_noise_between_means_and_counts() -> None:
    rng = np.random.default_rng(0)
    means = rng.gamma(2, 3, size=(20_000, 3))
    varied = means[:, 0] * rng.gamma(4, 1 / 4, size=20_000)
    counts = np.column_stack([rng.poisson(varied), rng.poisson(means[:, 1]), np.floor(means[:, 2])])
    counts[:, 2] += rng.random(20_000) < means[:, 2] % 1
    noise = Noise.between(np.ones(3), [(counts[i::2], means[i::2]) for i in range(2)])
    np.testing.assert_allclose(noise.dispersion, [0.25, 0, 0], atol=0.02)
    np.testing.assert_allclose(noise.poisson, [1, 1, 0], atol=0.05)


class TestErrors:
    def test_layer(self, fitted: AnnData, predicted: AnnData) -> None:
        with pytest.raises(KeyError, match="layer 'count' is not in adata.layers. Did you mean 'counts'"):
            cs.pp.to_counts(predicted, fitted, counts_layer="count")
        adata = fitted.copy()
        adata.layers["counts"] = adata.X
        with pytest.raises(ValueError, match=r"observed.layers\['counts'\] holds other numbers than 0, 1, 2, ...: raw"):
            cs.pp.to_counts(predicted, adata)
        assert "counts" not in predicted.layers

    def test_expression_is_no_logarithm_of_the_counts(self, fitted: AnnData, predicted: AnnData) -> None:
        adata = fitted.copy()
        adata.layers["counts"] = adata.layers["counts"][::-1].copy()
        with pytest.raises(
            ValueError, match=r"is not log1p of observed.layers\['counts'\], times a factor .* differ by"
        ):
            cs.pp.to_counts(predicted, adata)

    def test_other_cells(self, fitted: AnnData, predicted: AnnData) -> None:
        predicted.obs_names = ["new", *predicted.obs_names[1:]]
        with pytest.raises(ValueError, match=r"1 of 800 predicted cells .* such as 'new': name a column of adata.obs"):
            cs.pp.to_counts(predicted, fitted)

    def test_no_prediction(self, fitted: AnnData) -> None:
        with pytest.raises(KeyError, match=r"adata.uns\['cellot_prediction'\] does not say what was predicted"):
            cs.pp.to_counts(fitted, fitted)

    def test_no_genes(self, fitted: AnnData) -> None:
        predicted = cs.tl.predict(fitted, "drug_a", decode=False)
        with pytest.raises(ValueError, match="adata has no genes: it was predicted in 'X_cellot'"):
            cs.pp.to_counts(predicted, fitted)

    def test_other_genes(self, fitted: AnnData, predicted: AnnData) -> None:
        predicted.var_names = ["other", *predicted.var_names[1:]]
        with pytest.raises(ValueError, match="observed lacks 1 of the 120 genes that were predicted, such as 'other'"):
            cs.pp.to_counts(predicted, fitted)

    def test_other_space(self, fitted: AnnData, predicted: AnnData) -> None:
        adata = fitted.copy()
        cs.pp.represent(adata, n_components=5)
        with pytest.raises(ValueError, match="adata was predicted in another space than observed.obsm"):
            cs.pp.to_counts(predicted, adata)

    def test_numbers_that_nothing_can_be_drawn_by(self, fitted: AnnData, predicted: AnnData) -> None:
        predicted.obs["depth"] = 1e300
        with pytest.raises(ValueError, match=r"depth_key 'depth' is 1e\+300 for a cell: 1.67772e\+07 counts at most"):
            cs.pp.to_counts(predicted, fitted, depth_key="depth")
        predicted.X[3, 4] = np.nan
        with pytest.raises(ValueError, match="adata.X holds NaN or inf in 1 of 800 cells"):
            cs.pp.to_counts(predicted, fitted)

    @pytest.mark.parametrize(("options", "error", "message"), [
        ({"distribution": "poison"}, ValueError, "distribution 'poison' is unknown"),
        ({"depth_key": "deph"}, KeyError, "depth_key 'deph' is not in adata.obs"),
        ({"depth_key": "perturbation"}, ValueError, "depth_key 'perturbation' of dtype category holds no numbers"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"counts_layer": "a/b"}, ValueError, "counts_layer 'a/b' has '/'"),
    ])  # fmt: skip
    def test_options(
        self, fitted: AnnData, predicted: AnnData, options: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            cs.pp.to_counts(predicted, fitted, **options)


def test_depths_over_other_genes_are_said(
    fitted: AnnData, predicted: AnnData, caplog: pytest.LogCaptureFixture
) -> None:
    seen = float(np.median(np.asarray(fitted.layers["counts"].sum(axis=1)).ravel()))
    some = predicted[:50].copy()
    for factor, said in ((2.5, 0), (4, 1)):
        caplog.clear()
        some.obs["depth"] = factor * seen
        counts_of(some, fitted, depth_key="depth")
        found = [message for message in caplog.messages if "in the median, and measured cells have" in message]
        assert len(found) == said
        assert all("counts in these 120 genes: it has to be the number in these genes" in one for one in found)


def test_without_train_cells_nothing_else_is_said(
    fitted: AnnData, predicted: AnnData, caplog: pytest.LogCaptureFixture
) -> None:
    adata = fitted[fitted.obs["split"] == "test"].copy()
    with caplog.at_level(logging.INFO, "cellot_sc"), pytest.raises(ValueError, match="observed has no train cells"):
        cs.pp.to_counts(predicted, adata)
    assert not any("say how its counts vary" in message for message in caplog.messages)

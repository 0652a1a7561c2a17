from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from cellot_sc._states import StateReading
from cellot_sc.pp._scale import SCALE, Scale


@pytest.fixture(scope="module")
def x(simulated: AnnData) -> np.ndarray:
    """ln of 1 + counts, normalised, of 600 cells and 60 genes."""
    return simulated.X.toarray()


def counts(x: np.ndarray) -> np.ndarray:
    return np.round(np.expm1(x))


def standardised(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / x.std(axis=0)


def per_million(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.expm1(x) * 100)


def not_normalised(x: np.ndarray) -> np.ndarray:
    return np.log1p(counts(x))


def smoothed(x: np.ndarray) -> np.ndarray:
    return 0.9 * x + 0.1 * x[::-1]


def few_genes(x: np.ndarray) -> np.ndarray:
    return x[:, :3]


def check(scale: Scale, x: np.ndarray, layers: list[str] | None = None) -> None:
    scale.check(x, np.ones(60, dtype=bool), what="adata.X", layers=layers or [])


@pytest.mark.parametrize(
    ("change", "kind", "logarithm", "normalised"),
    [
        (np.array, "logarithms", "ln", True),
        (lambda x: x / np.log(2), "logarithms", "log2", True),
        (lambda x: x / np.log(10), "logarithms", "log10", True),
        (not_normalised, "logarithms", "ln", False),
        (counts, "counts", "", True),
        (standardised, "signed", "", True),
        (np.expm1, "other", "", True),
        (few_genes, "logarithms", "", True),
        (smoothed, "logarithms", "", True),
    ],
)
def test_what_numbers_are(
    x: np.ndarray, change: Callable[[np.ndarray], np.ndarray], kind: str, logarithm: str, normalised: bool
) -> None:
    for given in (change(x), sparse.csr_matrix(change(x))):
        scale = Scale.of(given)
        assert (scale.kind, scale.logarithm, scale.normalised) == (kind, logarithm, normalised)


def test_how_large_they_are(x: np.ndarray) -> None:
    scale = Scale.of(sparse.csr_matrix(x))
    assert (scale.low, scale.high, scale.below) == (0, x.max(), 0)
    np.testing.assert_allclose(scale.totals, np.expm1(x.astype(np.float64)).mean(axis=0), rtol=1e-5)
    signed = Scale.of(standardised(x))
    assert signed.below == (standardised(x) < 0).mean()
    assert not signed.totals.any()


def test_state_makes_it_again(x: np.ndarray) -> None:
    scale = Scale.of(x)
    again = SCALE.read(scale.state(), "scale", StateReading(sizes={"g": 60}))
    np.testing.assert_array_equal(again.totals, scale.totals)
    assert {**again.state(), "totals": None} == {**scale.state(), "totals": None}
    with pytest.raises(ValueError, match=r"scale.kind is 'count'; one of 'counts', 'logarithms', 'signed', 'other'"):
        SCALE.read(scale.state() | {"kind": "count"}, "scale", StateReading())


@pytest.mark.parametrize("part", [slice(None), slice(100), slice(1), slice(0)])
def test_what_is_alike_passes(x: np.ndarray, part: slice) -> None:
    for change in (np.array, counts, standardised, np.expm1, per_million):
        check(Scale.of(change(x)), change(x)[part])


@pytest.mark.parametrize(
    ("fitted", "other", "message"),
    [
        (np.array, counts, "adata.X holds whole numbers only, as counts do, and what was fitted did not: normalise"),
        (counts, np.array, "adata.X holds numbers that are not whole, and what was fitted were counts: give counts"),
        (np.array, standardised, "adata.X has values down to -.*, and none was below 0 in what was fitted: it was sca"),
        (standardised, np.array, "adata.X has no value below 0, and .* % were in what was fitted, which was scaled or"),
        (np.array, np.expm1, "adata.X has values up to .*, which are no logarithms, and what was fitted up to 6.*: ta"),
        (
            smoothed,
            lambda x: per_million(smoothed(x)),
            "adata.X comes to 1.*e\\+05 per cell over the 60 genes in common, .* fitted to 1.*e\\+",
        ),
        (np.expm1, np.array, "it is on another scale"),
        (np.array, lambda x: x / np.log(2), "adata.X is log2 of counts, and what was fitted ln: take ln of 1 \\+ the"),
        (np.array, not_normalised, "were not normalised, and those of what was fitted were: normalise"),
        (not_normalised, np.array, "were normalised, and those of what was fitted were not: normalise"),
    ],
)
def test_what_is_not_is_refused(x: np.ndarray, fitted: Any, other: Any, message: str) -> None:
    scale = Scale.of(fitted(x))
    for given in (other(x), sparse.csr_matrix(other(x))):
        with pytest.raises(ValueError, match=message) as error:
            check(scale, given, ["counts", "norm"])
        assert str(error.value).endswith("or put there what one of adata.layers holds ('counts', 'norm').")
    with pytest.raises(ValueError, match=message) as error:
        check(scale, other(x))
    assert "layer" not in str(error.value)


def test_few_values_above_0_say_nothing_of_signs(x: np.ndarray) -> None:
    scale = Scale.of(standardised(x))
    scale.check(np.ones((1, 5)), np.arange(60) < 5, what="adata.X", layers=[])


class TestTotals:
    """The same counts, normalised to other sums, and over other genes."""

    @pytest.fixture(scope="class")
    @classmethod
    def raw(cls) -> np.ndarray:
        """Counts of 300 cells and 1,000 genes."""
        rng = np.random.default_rng(0)
        return rng.poisson(rng.gamma(4, 0.15, (300, 1)) * rng.gamma(0.5, 2, 1000))

    @staticmethod
    def logs(raw: np.ndarray, target: float, base: float = math.e, soft: bool = False) -> np.ndarray:
        """Return logarithms, of what are no whole numbers any more if ``soft``."""
        counts = raw * (np.random.default_rng(1).uniform(0.9, 1, raw.shape) if soft else 1)
        return (np.log1p(target * counts / counts.sum(axis=1, keepdims=True)) / np.log(base)).astype(np.float32)

    def check(self, fitted: np.ndarray, other: np.ndarray, n_genes: int = 300) -> None:
        there = np.arange(fitted.shape[1]) < n_genes
        Scale.of(fitted).check(other[:, :n_genes], there, what="adata.X", layers=[])

    @pytest.mark.parametrize("base", [math.e, 2, 10])
    @pytest.mark.parametrize("n_genes", [300, 280])
    def test_another_sum_is_refused_by_some_of_the_genes(self, raw: np.ndarray, base: float, n_genes: int) -> None:
        fitted = self.logs(raw, 1e4, base)[:, :300]
        scale = Scale.of(fitted)
        assert (scale.target, scale.one_sum) == (1e4, False)
        for target in (1e4, 1.02e4):
            self.check(fitted, self.logs(raw, target, base), n_genes)
        for target, name in ((2e4, "20,000"), (5e3, "5,000"), (8765.5, "8,765.5"), (1e6, "1e\\+06")):
            with pytest.raises(ValueError, match=f"adata.X was normalised to {name} counts per cell, .* to 10,000: .*"):
                self.check(fitted, self.logs(raw, target, base), n_genes)

    def test_of_normalised_counts_themselves(self, raw: np.ndarray) -> None:
        fitted, other = (np.expm1(self.logs(raw, target)[:, :300]) for target in (1e4, 2e4))
        assert Scale.of(fitted).kind == "other"
        with pytest.raises(ValueError, match="adata.X was normalised to 20,000 counts per cell") as error:
            self.check(fitted, other)
        assert "logarithm" not in str(error.value)

    def test_other_genes_to_normalise_over(self, raw: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
        whole, part = self.logs(raw, 1e4)[:, :300], self.logs(raw[:, :300], 1e4)
        assert Scale.of(part).one_sum
        with pytest.raises(
            ValueError, match="the same in all cells of adata.X, 3.* it was normalised over these genes"
        ):
            self.check(whole, part)
        self.check(part, part)
        assert not caplog.messages
        self.check(part, whole)
        assert "adata.X comes to 2.76e+03 per cell over the 300 genes in common, and what was fitted to" in caplog.text
        soft, other = (self.logs(raw[:, :300], target, soft=True) for target in (1e4, 1.2e4))
        with pytest.raises(ValueError, match="1.2 times .* it was normalised to another sum, or over these genes only"):
            self.check(soft, other)

    def test_where_the_sum_is_not_known(self, raw: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
        fitted = self.logs(raw, 1e4, soft=True)[:, :300]
        assert (Scale.of(fitted).target, Scale.of(fitted).one_sum) == (0, False)
        self.check(fitted, self.logs(raw, 1.5e4, soft=True))
        assert not caplog.messages
        self.check(fitted, self.logs(raw, 3e4, soft=True))
        [message] = caplog.messages
        assert "unless these are other kinds of cells, it was normalised to another total" in message
        # panels of few markers differ by more
        self.check(fitted[:, :100], self.logs(raw, 3e4, soft=True), 100)
        assert len(caplog.messages) == 1

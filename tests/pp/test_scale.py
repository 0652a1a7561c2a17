from __future__ import annotations

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
            np.array,
            per_million,
            "adata.X comes to 1.2e\\+05 per cell over the 60 genes in common, .* fitted to 1.2e\\+",
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

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellot_sc.tl._weights import resolve_weights, variance_between


def test_share_of_variance_between_labels():
    labels = pd.Series(["a", "a", "b", "b"])
    x = np.array([[0, 1, 5], [0, 2, 5], [2, 1, 5], [2, 2, 5]], dtype=np.float32)
    # all of it, none of it, and a constant
    np.testing.assert_allclose(variance_between(x, labels), [1, 0, 0], atol=1e-7)


def test_equals_an_analysis_of_variance():
    rng = np.random.default_rng(0)
    codes = rng.integers(3, size=200)
    x = (rng.normal(size=(200, 4)) + codes[:, None] * np.arange(4)).astype(np.float32)
    expected = []
    for column in x.T.astype(np.float64):
        within = sum(((column[codes == k] - column[codes == k].mean()) ** 2).sum() for k in range(3))
        expected.append(1 - within / ((column - column.mean()) ** 2).sum())
    np.testing.assert_allclose(variance_between(x, pd.Series(codes)), expected, rtol=1e-5)


def test_cells_without_a_label_do_not_count():
    labels = pd.Series(["a", "b", None])
    x = np.array([[0.0], [1.0], [100.0]], dtype=np.float32)
    np.testing.assert_allclose(variance_between(x, labels), [1.0])


@pytest.fixture
def adata() -> AnnData:
    obs = pd.DataFrame({"type": ["a", "a", "b", "b"]}, index=list("1234"))
    var = pd.DataFrame({"importance": [1.0, 2.0]}, index=["g1", "g2"])
    return AnnData(np.array([[0, 1], [0, 2], [2, 1], [2, 2]], dtype=np.float32), obs=obs, var=var)


def test_column_of_var(adata: AnnData):
    weights = resolve_weights(adata, "importance", adata.X, "X", np.ones(4, dtype=bool))
    assert weights is not None
    assert weights.tolist() == [1.0, 2.0]


def test_column_of_obs(adata: AnnData):
    weights = resolve_weights(adata, "type", adata.X, "X", np.ones(4, dtype=bool))
    assert weights is not None
    np.testing.assert_allclose(weights, [2.0, 1.0], atol=1e-6)


def test_column_of_var_needs_the_expression(adata: AnnData):
    with pytest.raises(KeyError, match="'importance' is no column"):
        resolve_weights(adata, "importance", adata.X, "X_pca", np.ones(4, dtype=bool))


@pytest.mark.parametrize("weights", [["a", "b"], "name"])
def test_no_numbers(adata: AnnData, weights: list[str] | str):
    adata.var["name"] = ["x", "y"]
    with pytest.raises(ValueError, match="are no numbers: 2 positive finite numbers are needed"):
        resolve_weights(adata, weights, adata.X, "X", np.ones(4, dtype=bool))  # type: ignore[arg-type]


def test_only_the_chosen_rows_count(adata: AnnData):
    weights = resolve_weights(adata, "type", adata.X, "X", np.array([True, True, False, False]))
    assert weights is not None
    # one label, between which and itself nothing lies
    assert weights.tolist() == [1.0, 1.0]


def test_none_is_none(adata: AnnData):
    assert resolve_weights(adata, None, adata.X, "X", np.ones(4, dtype=bool)) is None


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [1.0, np.nan], [[1.0, 1.0]]])
def test_bad_numbers(adata: AnnData, weights: list[float]):
    with pytest.raises(ValueError, match="2 positive finite numbers are needed"):
        resolve_weights(adata, weights, adata.X, "X", np.ones(4, dtype=bool))

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.ot import AffineMap


def with_kinds(*, shifted: bool) -> AnnData:
    """Return cells of three kinds that all move by 1, in equal numbers or in others after treatment."""
    centres, rng = 8 * np.eye(3), np.random.default_rng(0)
    treated = [40, 160, 160] if shifted else [120, 120, 120]
    kinds = np.concatenate([np.repeat(np.arange(3), counts) for counts in ([160, 160, 40], treated)])
    if not shifted:
        kinds[:360] = np.repeat(np.arange(3), 120)
    drug = np.repeat(["control", "drug"], 360)
    x = centres[kinds] + (drug == "drug")[:, None] + rng.normal(size=(720, 3))
    adata = AnnData(x.astype(np.float32))
    adata.obs["perturbation"], adata.obs["kind"] = drug, kinds.astype(str)
    adata.obs["split"] = "train"
    return adata


def fitted(adata: AnnData, **given: Any) -> cs.tl.FittedMaps:
    given = {"solver": "gaussian", "use_rep": "X"} | given
    out = cs.tl.cellot(adata, copy=True, **given)
    assert out is not None
    return cs.tl.maps(out)


def moved(maps: cs.tl.FittedMaps, adata: AnnData) -> np.ndarray:
    """Return how far the control cells of every kind move, beside 1."""
    control = adata[adata.obs["perturbation"] == "control"]
    step = maps["drug"].transport(control.X) - control.X
    return np.stack([step[(control.obs["kind"] == kind).to_numpy()].mean(axis=0) for kind in "012"]) - 1


def test_abundance_is_matched_where_it_differs_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    adata = with_kinds(shifted=True)
    with caplog.at_level(logging.INFO, "cellot_sc"):
        maps = fitted(adata)
    assert maps.fit.match_abundance
    assert "kinds of cells seem to differ in abundance between 'control' and 'drug'" in caplog.text
    assert np.abs(moved(maps, adata)).max() < 0.8
    assert np.abs(moved(fitted(adata, match_abundance=False), adata)).max() > 2


def test_nothing_changes_where_abundance_is_the_same(caplog: pytest.LogCaptureFixture) -> None:
    adata = with_kinds(shifted=False)
    with caplog.at_level(logging.INFO, "cellot_sc"):
        maps = [fitted(adata, match_abundance=given)["drug"] for given in (None, True, False)]
    assert "abundance" not in caplog.text
    for other in maps[1:]:
        assert isinstance(other, AffineMap)
        np.testing.assert_array_equal(other.transport(adata.X), maps[0].transport(adata.X))


def test_what_is_fitted_for_comparison_is_weighed_alike() -> None:
    adata = with_kinds(shifted=True)
    fit = fitted(adata).fit
    [problem] = fit.problems(adata)
    assert problem.is_weighted
    maps = fit.refit(adata, ["gaussian", "group_gaussian", "popalign"], ["drug"], context=("kind",))
    expected = fitted(adata)["drug"].transport(adata.X)
    np.testing.assert_array_equal(maps["gaussian"]["drug"].transport(adata.X), expected)
    # what knows labels goes by them
    by_kind = fitted(adata, solver="group_gaussian", context="kind")["drug"]
    labels = adata.obs["kind"].to_numpy()
    np.testing.assert_array_equal(
        maps["group_gaussian"]["drug"].transport(adata.X, labels), by_kind.transport(adata.X, labels)
    )


def test_it_is_kept_and_off_beside_contexts_and_for_solvers_that_cannot_weigh() -> None:
    adata = with_kinds(shifted=True)
    assert not fitted(adata, solver="group_gaussian", context="kind").fit.match_abundance
    assert not fitted(adata, solver="popalign").fit.match_abundance


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"solver": "popalign"}, ValueError, "'popalign' cannot weigh cells"),
        ({"match_abundance": "yes"}, TypeError, "match_abundance is 'yes'"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fitted(with_kinds(shifted=True), **({"match_abundance": True} | given))


def test_it_may_be_asked_for_beside_contexts_that_are_no_kinds() -> None:
    adata = with_kinds(shifted=True)
    adata.obs["batch"] = np.where(np.arange(adata.n_obs) % 2, "a", "b")
    plain, weighed = (
        fitted(adata, solver="group_gaussian", context="batch", match_abundance=wanted) for wanted in (None, True)
    )
    assert (plain.fit.match_abundance, weighed.fit.match_abundance) == (False, True)
    assert np.abs(moved(weighed, adata)).max() < 0.8
    assert np.abs(moved(plain, adata)).max() > 2

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.ot import TransportMap
from cellot_sc.pp import Space
from cellot_sc.tl._fit.weights import resolve_weights, variance_between


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
    weights = resolve_weights("importance", Space(adata, "X"), np.ones(4, dtype=bool))
    assert weights is not None
    assert weights == (1.0, 2.0)


def test_column_of_obs(adata: AnnData):
    weights = resolve_weights("type", Space(adata, "X"), np.ones(4, dtype=bool))
    assert weights is not None
    np.testing.assert_allclose(weights, [2.0, 1.0], atol=1e-6)


def test_column_of_var_needs_the_expression(adata: AnnData):
    adata.obsm["X_pca"] = np.array(adata.X)
    with pytest.raises(KeyError, match="'importance' is no column"):
        resolve_weights("importance", Space(adata, "X_pca"), np.ones(4, dtype=bool))


@pytest.mark.parametrize("weights", [["a", "b"], "name"])
def test_no_numbers(adata: AnnData, weights: list[str] | str):
    adata.var["name"] = ["x", "y"]
    with pytest.raises(ValueError, match="are no numbers: 2 positive finite numbers are needed"):
        resolve_weights(weights, Space(adata, "X"), np.ones(4, dtype=bool))  # type: ignore[arg-type]


def test_only_the_chosen_rows_count(adata: AnnData):
    weights = resolve_weights("type", Space(adata, "X"), np.array([True, True, False, False]))
    assert weights is not None
    # one label, between which and itself nothing lies
    assert weights == (1.0, 1.0)


def test_none_is_none(adata: AnnData):
    assert resolve_weights(None, Space(adata, "X"), np.ones(4, dtype=bool)) is None


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [1.0, np.nan], [[1.0, 1.0]]])
def test_bad_numbers(adata: AnnData, weights: list[float]):
    with pytest.raises(ValueError, match="2 positive finite numbers are needed"):
        resolve_weights(weights, Space(adata, "X"), np.ones(4, dtype=bool))


@pytest.fixture
def killed(prepared: AnnData) -> AnnData:
    """Cells of which a drug has killed most of one kind: as many as there were control cells survive, of the others."""
    adata = prepared.copy()
    survival = np.where(adata.obs["cell_type"] == adata.obs["cell_type"].iloc[0], 0.1, 1.0)
    adata.obs["survival"] = np.where(adata.obs["perturbation"] == "control", survival, 1.0)
    return adata


def maps(adata: AnnData) -> list[TransportMap]:
    return list(cs.tl.maps(adata).values())


def test_cells_are_weighed(killed: AnnData):
    cs.tl.cellot(killed, solver="mean_shift", weights="survival")
    assert killed.uns["cellot"]["source_weights"] == killed.uns["cellot"]["target_weights"] == "survival"
    obs, x = killed.obs, killed.obsm["X_cellot"]
    train = (obs["split"] == "train").to_numpy()
    control, treated = (train & (obs["perturbation"] == name).to_numpy() for name in ("control", "drug_a"))
    expected = x[treated].mean(0) - np.average(x[control], axis=0, weights=obs["survival"][control])
    [shift, _] = maps(killed)
    np.testing.assert_allclose(shift.transport(x) - x, np.broadcast_to(expected, x.shape), atol=1e-4)


def test_equal_weights_change_nothing(prepared: AnnData):
    plain, weighed = prepared.copy(), prepared.copy()
    weighed.obs["same"] = 3
    cs.tl.cellot(plain, solver="gaussian")
    cs.tl.cellot(weighed, solver="gaussian", weights="same")
    for a, b in zip(maps(plain), maps(weighed), strict=True):
        np.testing.assert_array_equal(a.transport(plain.obsm["X_cellot"]), b.transport(plain.obsm["X_cellot"]))


def test_controls_are_fitted_to_cells_that_weigh_as_much(killed: AnnData):
    cs.tl.cellot(killed, solver="mean_shift", weights="survival")
    rows = "model == 'mean_shift' and floor == '-'"
    own = cs.tl.evaluate(killed, metrics="energy_distance", n_boot=0).query(rows)["value"]
    cs.tl.cellot(killed, solver="gaussian", weights="survival")
    table = cs.tl.evaluate(killed, metrics="energy_distance", n_boot=0)
    np.testing.assert_array_equal(table.query(rows)["value"], own)


def test_only_cells_that_are_fitted_need_a_weight(killed: AnnData):
    unseen = ~killed.obs["split"].isin(["train", "valid"])
    killed.obs.loc[unseen | (killed.obs["perturbation"] == "drug_b"), "survival"] = np.nan
    cs.tl.cellot(killed, targets="drug_a", solver="gaussian", weights="survival")
    with pytest.raises(ValueError, match="weights 'survival' is nan for .* train cells of 'drug_b': finite numbers"):
        cs.tl.cellot(killed, solver="gaussian", weights="survival")


@pytest.mark.parametrize(
    ("weights", "values", "error", "words"),
    [
        ("survivl", 1.0, KeyError, "weights 'survivl' is not in adata.obs. Did you mean 'survival'"),
        ("cell_type", 1.0, ValueError, "weights 'cell_type' of dtype .* holds no numbers"),
        ("survival", -0.5, ValueError, "weights 'survival' is -0.5 for .* train cells of 'control'"),
        ("survival", 0.0, ValueError, "weights 'survival' is 0 for all .* train cells of 'control': at least one"),
        ("survival", np.inf, ValueError, "weights 'survival' is inf for .* train cells of 'control'"),
    ],
)
def test_impossible_weights(killed: AnnData, weights: str, values: float, error: type[Exception], words: str):
    killed.obs["survival"] = values
    with pytest.raises(error, match=words):
        cs.tl.cellot(killed, solver="gaussian", weights=weights)
    assert "cellot" not in killed.uns


def test_solvers_that_cannot_weigh(killed: AnnData):
    with pytest.raises(ValueError, match="solver 'popalign' cannot weigh cells"):
        cs.tl.cellot(killed, solver="popalign", weights="survival")


def test_map_of_survivors_is_not_one_between_kinds():
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1, 0, 1], [300, 300, 60, 540])
    x = rng.normal(size=(1200, 3)).astype(np.float32)
    x[:, 0] += np.where(kind == 0, -4, 4)
    obs = pd.DataFrame(
        {"perturbation": np.repeat(["control", "drug"], 600), "kind": kind}, index=[str(i) for i in range(1200)]
    )
    adata = AnnData(obs=obs, obsm={"X_pca": x})
    adata.obs["survival"] = np.where((obs["perturbation"] == "control") & (kind == 0), 1 / 9, 1.0)
    changed = {}
    for weights in (None, "survival"):
        cs.tl.cellot(adata, solver="entropic", weights=weights, match_abundance=False)
        moved = cs.tl.predict(adata, "drug", decode=False).obsm["X_pca"]
        changed[weights] = float(((moved[:, 0] < 0) != (kind[:600] == 0)).mean())
    assert changed["survival"] < 0.02
    assert changed[None] > 0.3

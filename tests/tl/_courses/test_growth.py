from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad

import cellot_sc as cs
from cellot_sc.tl._courses import time_course
from cellot_sc.tl._effects.displacements import displacements
from cellot_sc.tl._effects.null import null

GROWN = 3.0
"""How many descendants a cell of the kind "a" has for each of one of "b"."""


def divided(n: int = 600, n_times: int = 2, seed: int = 0) -> AnnData:
    """Return two kinds of cells that both move up, of which one becomes three times as many in every unit of time."""
    rng = np.random.default_rng(seed)
    time = np.repeat(np.arange(n_times), n)
    share = GROWN**time / (GROWN**time + 1)
    # exactly that share, so that it is growth that is estimated and not a sample of it
    first = np.tile(np.arange(n), n_times) < share * n
    x = rng.normal(size=(len(time), 5))
    x[:, 0] += np.where(first, -4, 4)
    x[:, 1] += 2.0 * time
    adata = AnnData(
        obs=pd.DataFrame(
            {"time": time, "kind": np.where(first, "a", "b"), "descendants": np.where(first, GROWN, 1.0)},
            index=[f"cell_{i}" for i in range(len(time))],
        ),
        obsm={"X_pca": x.astype(np.float32)},
    )
    cs.pp.split(adata, "time", control="0", stratify_by="kind")
    return adata


@pytest.fixture(scope="module")
def _cells() -> AnnData:
    return divided()


@pytest.fixture
def cells(_cells: AnnData) -> AnnData:
    return _cells.copy()


def ratio(adata: AnnData, key: str = "trajectory_growth") -> float:
    """Return how many descendants "a" has for each of "b", by the cells that nothing was fitted to."""
    early = adata.obs[(adata.obs["time"] == 0) & (adata.obs["split"] == "test")]
    mean = early.groupby("kind", observed=True)[key].mean()
    return float(mean["a"] / mean["b"])


def changed(adata: AnnData, t: int = 1) -> float:
    """Return the share of early test cells that the map turns into cells of the other kind."""
    early = (adata.obs["time"] == 0) & (adata.obs["split"] == "test")
    moved = cs.tl.predict(adata, str(t), key="trajectory", cells=early.to_numpy(), decode=False).obsm["X_pca"]
    return float(((moved[:, 0] < 0) != (adata.obs.loc[early, "kind"] == "a").to_numpy()).mean())


def late_share(adata: AnnData) -> float:
    """Return the share of "a" among the descendants of early test cells, each counted as often as it has some."""
    early = ((adata.obs["time"] == 0) & (adata.obs["split"] == "test")).to_numpy()
    moved = cs.tl.predict(adata, "1", key="trajectory", cells=early, decode=False).obsm["X_pca"]
    return float(np.average(moved[:, 0] < 0, weights=adata.obs["trajectory_growth"].to_numpy()[early]))


@pytest.mark.parametrize("growth", ["descendants", "unbalanced"])
@pytest.mark.parametrize("solver", ["gaussian", "entropic"])
def test_a_known_growth_is_recovered(cells: AnnData, growth: str, solver: str) -> None:
    cs.tl.trajectory(cells, solver=solver, growth=growth)
    assert ratio(cells) == pytest.approx(GROWN, rel=0.15)
    assert changed(cells) < 0.02
    odds = late_share(cells) / (1 - late_share(cells))
    assert odds == pytest.approx(GROWN, rel=0.15)


def test_without_growth_cells_change_their_kind(cells: AnnData) -> None:
    cs.tl.trajectory(cells, solver="entropic")
    # a quarter of all: those by which the kinds differ in number
    assert changed(cells) == pytest.approx(0.25, abs=0.06)
    assert "trajectory_growth" not in cells.obs


@pytest.mark.slow
def test_networks_are_weighed(cells: AnnData) -> None:
    options: dict[str, Any] = {"width": 32, "penalties": (10.0,), "n_steps": 400, "min_steps": 100, "batch_size": 64}
    for growth in ("descendants", "unbalanced"):
        cs.tl.trajectory(cells, growth=growth, check_every=100, **options)
        assert changed(cells) < 0.03
    cs.tl.trajectory(cells, check_every=100, **options)
    assert changed(cells) > 0.15


def test_growth_is_by_the_unit_of_time(cells: AnnData) -> None:
    cells.obs["day"] = cells.obs["time"] * 2
    cells.obs["per_day"] = np.sqrt(cells.obs["descendants"])
    cs.tl.trajectory(cells, "day", solver="mean_shift", growth="per_day")
    assert ratio(cells) == pytest.approx(GROWN)
    early, train = cells.obs["time"] == 0, cells.obs["split"] == "train"
    assert cells.obs.loc[early & train, "trajectory_growth"].mean() == pytest.approx(1)
    assert cells.obs.loc[~early, "trajectory_growth"].isna().all()


def test_growth_over_several_times() -> None:
    cells = divided(400, n_times=3)
    cs.tl.trajectory(cells, solver="entropic", growth="unbalanced")
    late = cells.obs[cells.obs["time"] == 1].groupby("kind", observed=True)["trajectory_growth"].mean()
    assert late["a"] / late["b"] == pytest.approx(GROWN, rel=0.15)
    assert changed(cells, 2) < 0.02


def test_equal_growth_is_none_to_the_bit(cells: AnnData) -> None:
    cells.obs["same"] = 1.7
    other = cells.copy()
    cs.tl.trajectory(cells, solver="gaussian", growth="same")
    cs.tl.trajectory(other, solver="gaussian")
    x = cells.obsm["X_pca"]
    for a, b in zip(*(time_course.load(data, "trajectory").steps for data in (cells, other)), strict=True):
        np.testing.assert_array_equal(a.transport(x), b.transport(x))
    cs.tl.trajectory(cells, solver="gaussian", growth="unbalanced", tau=1)
    np.testing.assert_array_equal(time_course.load(cells, "trajectory").steps[0].transport(x), a.transport(x))


def test_where_nothing_grows_nothing_is_found() -> None:
    cells = divided()
    late = cells[cells.obs["time"] == 0].copy()
    late.obsm["X_pca"] = np.random.default_rng(5).permutation(late.obsm["X_pca"]) + np.array(
        [0, 2, 0, 0, 0], np.float32
    )
    late.obs["time"] = 1
    both = AnnData(
        obs=pd.concat([cells.obs[cells.obs["time"] == 0], late.obs]).reset_index(drop=True).rename(index=str),
        obsm={"X_pca": np.concatenate([cells.obsm["X_pca"][(cells.obs["time"] == 0).to_numpy()], late.obsm["X_pca"]])},
    )
    cs.tl.trajectory(both, solver="mean_shift", growth="unbalanced")
    assert ratio(both) == pytest.approx(1, rel=0.15)


def test_late_cells_that_come_from_none_are_left_out(cells: AnnData) -> None:
    strange = ((cells.obs["time"] == 1) & (cells.obs["kind"] == "b")).to_numpy()
    cells.obsm["X_pca"][strange, 2] += 25
    cs.tl.trajectory(cells, solver="gaussian", growth="unbalanced", tau=0.9)
    received = cells.obs["trajectory_received"]
    assert received[strange].mean() < 0.1
    assert received[(cells.obs["time"] == 0).to_numpy()].isna().all()
    assert cs.tl.maps(cells, "trajectory").fit.tau == (0.9, 0.9)


@pytest.mark.parametrize("growth", ["unbalanced", "descendants"])
def test_no_test_cell_is_seen(cells: AnnData, growth: str) -> None:
    other = cells.copy()
    unseen = (cells.obs["split"] == "test").to_numpy()
    other.obsm["X_pca"][unseen] += 9
    other.obs.loc[unseen, "descendants"] = 50.0
    for data in (cells, other):
        cs.tl.trajectory(data, solver="gaussian", growth=growth)
    a, b = (time_course.load(data, "trajectory").steps[0] for data in (cells, other))
    np.testing.assert_array_equal(a.transport(cells.obsm["X_pca"]), b.transport(cells.obsm["X_pca"]))
    pd.testing.assert_series_equal(
        *(data.obs.loc[~unseen, "trajectory_growth"] for data in (cells, other))
    )  # fmt: skip


def test_what_was_used_is_kept(cells: AnnData, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cs.tl.trajectory(cells, solver="mean_shift", growth="unbalanced", key_added="course")
    assert "obs['course_growth']" in caplog.text
    cells.write_h5ad(tmp_path / "cells.h5ad")
    again = read_h5ad(tmp_path / "cells.h5ad")
    fit = cs.tl.maps(again, "course").fit
    assert (fit.growth, fit.tau) == ("unbalanced", (0.95, 1.0))
    assert (fit.source_weights, fit.target_weights) == ("course_growth", None)
    np.testing.assert_array_equal(again.obs["course_growth"], cells.obs["course_growth"])


def test_peers_of_a_weighed_course_are_weighed(cells: AnnData) -> None:
    cells.obsm["X_clone"] = np.eye(30, dtype=bool)[np.arange(len(cells)) % 30]
    cs.tl.trajectory(cells, solver="identity", growth="descendants")
    cs.tl.fate(cells, "kind")
    table = cs.tl.clonal_agreement(cells, baselines="mean_shift", n_boot=0)
    cs.tl.trajectory(cells, solver="mean_shift", growth="descendants")
    cs.tl.fate(cells, "kind")
    own = cs.tl.clonal_agreement(cells, baselines="prior", n_boot=0)
    for metric in ("accuracy", "auroc"):
        a, b = (
            t[(t["model"] == "mean_shift") & (t["metric"] == metric) & (t["fate"] == "all")]["value"]
            for t in (table, own)
        )
        np.testing.assert_array_equal(a, b)


def test_baselines_of_a_weighed_course_are_weighed(cells: AnnData) -> None:
    scores = {}
    for solver in ("identity", "mean_shift"):
        cs.tl.trajectory(cells, solver=solver, growth="descendants")
        table = cs.tl.evaluate(cells, key="trajectory", metrics=["energy_distance", "l2_means"], n_boot=0)
        # what they are calibrated by differs
        scores[solver] = table.query("model == 'mean_shift' and floor == '-'")["value"].to_numpy()
    np.testing.assert_array_equal(scores["identity"], scores["mean_shift"])


def test_no_effect_is_that_of_weighed_cells(cells: AnnData) -> None:
    # early cells that have no descendants were not fitted to: how far they lie apart is not the noise of the map
    lost = np.arange(cells.n_obs) % 4 == 0
    cells.obs.loc[lost, "descendants"] = 0.0
    cells.obsm["X_pca"][lost & (cells.obs["time"] == 0).to_numpy()] *= 50
    cs.tl.trajectory(cells, solver="mean_shift", growth="descendants")
    moves = displacements(cells, "trajectory")
    shifts = [fitted.transport(moves.x[:1]) - moves.x[:1] for fitted in null(moves, seed=0).maps]
    assert np.abs(np.concatenate(shifts)[:, 2:]).max() < 1


def test_fates_where_one_grows() -> None:
    adata = cs.datasets.simulate_branching(1200, 40, n_times=2, fates=("fate_a", "fate_b"), growth={"fate_b": 6})
    accuracy = {}
    for growth in (None, "growth"):
        cs.tl.trajectory(adata, solver="entropic", growth=growth)
        cs.tl.fate(adata, "cell_type")
        early = adata.obs[(adata.obs["time"] == 0) & (adata.obs["split"] == "test")]
        accuracy[growth] = (early["fate_predicted"].astype(str) == early["fate"].astype(str)).mean()
    assert accuracy["growth"] > 0.9
    assert accuracy["growth"] > accuracy[None] + 0.1


@pytest.fixture(scope="module")
def _with_genes() -> AnnData:
    """The same with genes: cells of "a" express those of division as such that have three times as many descendants."""
    from moscot.utils.data import apoptosis_markers, proliferation_markers

    cells = divided()
    rng = np.random.default_rng(0)
    division, death = proliferation_markers("human")[:30], apoptosis_markers("human")[:30]
    genes = [*division, *death, *(f"gene_{i}" for i in range(240))]
    x = np.abs(rng.uniform(0.5, 1.5, len(genes)) + rng.normal(0, 0.2, (len(cells), len(genes))))
    x[(cells.obs["kind"] == "a").to_numpy(), :30] += 0.6
    return AnnData(x.astype(np.float32), obs=cells.obs, var=pd.DataFrame(index=genes), obsm=dict(cells.obsm))


@pytest.fixture
def with_genes(_with_genes: AnnData) -> AnnData:
    return _with_genes.copy()


def test_growth_by_genes_is_recovered(with_genes: AnnData) -> None:
    state = np.random.get_state()[1].tolist()
    cs.tl.trajectory(with_genes, use_rep="X_pca", solver="entropic", growth="moscot")
    assert np.random.get_state()[1].tolist() == state
    assert ratio(with_genes) == pytest.approx(GROWN, rel=0.15)
    assert changed(with_genes) < 0.02
    assert not {"proliferation", "apoptosis"} & set(with_genes.obs)
    # without the coupling, it is the prior
    cs.tl.trajectory(with_genes, use_rep="X_pca", solver="mean_shift", growth="moscot", tau=1)
    assert ratio(with_genes) > 2


def test_genes_of_test_cells_change_nothing_that_is_fitted(with_genes: AnnData) -> None:
    other = with_genes.copy()
    unseen = (other.obs["split"] == "test").to_numpy()
    assert isinstance(other.X, np.ndarray)
    other.X[unseen] = np.random.default_rng(1).permutation(other.X[unseen].T).T
    for data in (with_genes, other):
        cs.tl.trajectory(data, solver="mean_shift", growth="moscot")
    np.testing.assert_array_equal(
        *(data.obs.loc[~unseen, "trajectory_growth"] for data in (with_genes, other))
    )  # fmt: skip


def test_too_few_genes(with_genes: AnnData) -> None:
    few = with_genes[:, with_genes.var_names[27:]].copy()
    with pytest.raises(ValueError, match="of which 3 and 30 are here; at least 5 of either are needed"):
        cs.tl.trajectory(few, solver="mean_shift", growth="moscot")


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"growth": "descendant"}, KeyError, "growth 'descendant' is neither .* Did you mean 'descendants'"),
        ({"growth": "unbalancd"}, KeyError, "Did you mean 'unbalanced'"),
        ({"growth": "kind"}, ValueError, "growth 'kind' of dtype .* holds no numbers"),
        ({"growth": "negative"}, ValueError, "growth 'negative' is -1 for 1 train cells of '0'"),
        ({"growth": "missing"}, ValueError, "growth 'missing' is nan for .* train cells of '0'"),
        ({"growth": "descendants", "solver": "cae"}, ValueError, "solver 'cae' cannot weigh cells"),
        ({"growth": "unbalanced", "tau": 0}, ValueError, r"tau is 0; a number in \(0, 1\]"),
        ({"growth": "unbalanced", "tau": (1, 0.9, 1)}, ValueError, "tau is"),
        ({"growth": "trajectory_growth"}, ValueError, "would overwrite a column of adata.obs that is read"),
    ],
)
def test_errors(cells: AnnData, kwargs: dict[str, Any], error: type[Exception], words: str) -> None:
    cells.obs["trajectory_growth"] = 1.0
    first = np.flatnonzero((cells.obs["time"] == 0) & (cells.obs["split"] == "train"))[0]
    cells.obs["negative"] = np.where(np.arange(len(cells)) == first, -1.0, 2.0)
    cells.obs["missing"] = np.nan
    before = cells.copy()
    with pytest.raises(error, match=words):
        cs.tl.trajectory(cells, **{"solver": "gaussian", **kwargs})
    assert list(cells.uns) == list(before.uns)
    pd.testing.assert_frame_equal(cells.obs, before.obs)


def test_tau_of_either_side(cells: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    firm, loose = (
        cs.tl.trajectory(cells, solver="mean_shift", growth="unbalanced", tau=(tau, 1), copy=True)
        for tau in (0.999, 0.8)
    )
    assert firm is not None
    assert loose is not None
    assert ratio(firm) < ratio(loose)

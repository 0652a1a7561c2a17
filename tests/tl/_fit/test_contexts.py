from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.ot import ContextMap, TransportMap
from cellot_sc.tl._effects.displacements import displacements
from cellot_sc.tl._effects.null import null
from cellot_sc.tl._fit.contexts import differing

QUIET, RARE = "type_3", "type_2"
"""A type that has no treated train cells, and one that is in neither."""


@pytest.fixture(scope="module")
def cells(prepared: AnnData) -> AnnData:
    """Cells of which some have no type, one type has no treated cells and one no control cells to learn from."""
    adata = prepared.copy()
    types, train = adata.obs["cell_type"].astype(str).to_numpy(), (adata.obs["split"] == "train").to_numpy()
    control = (adata.obs["perturbation"] == "control").to_numpy()
    kept = ~(train & (((types == QUIET) & ~control) | ((types == RARE) & control)))
    adata = adata[kept].copy()
    adata.obs["cell_type"] = adata.obs["cell_type"].where(np.arange(adata.n_obs) % 20 > 0)
    return adata


def fitted_by(adata: AnnData, solver: str = "group_shift", **kwargs: Any) -> AnnData:
    copied = adata.copy()
    cs.tl.cellot(copied, solver=solver, **{"context": "cell_type"} | kwargs)
    return copied


@pytest.fixture(scope="module")
def typed(cells: AnnData) -> AnnData:
    return fitted_by(cells)


def group_of(adata: AnnData) -> np.ndarray:
    return adata.obs["cell_type"].astype(object).fillna("").to_numpy()


def own(transport: TransportMap, x: np.ndarray, types: np.ndarray) -> np.ndarray:
    """Return every cell moved by what its type has, cell by cell."""
    return np.concatenate([transport.at(kind or None).transport(x[[i]]) for i, kind in enumerate(types)])


def test_cells_move_by_the_map_of_their_type_and_others_by_that_of_all(typed: AnnData) -> None:
    maps = cs.tl.maps(typed)
    assert maps.fit.context == ("cell_type",)
    predicted = cs.tl.predict(typed, "drug_a", decode=False)
    rows = typed.obs_names.get_indexer(predicted.obs_names)
    transport, x, types = maps["drug_a"], typed.obsm["X_cellot"][rows], group_of(typed)[rows]
    assert isinstance(transport, ContextMap)
    assert set(transport.names) == {"type_0", "type_1"}
    np.testing.assert_array_equal(predicted.X, own(transport, x, types))
    for kind in ("", QUIET, RARE):
        others = types == kind
        assert others.any()
        np.testing.assert_array_equal(predicted.X[others], transport.parent.transport(x[others]))
    means = {
        (label, part): typed.obsm["X_cellot"][
            ((typed.obs["perturbation"] == label) & (typed.obs["split"] == part)).to_numpy()
            & (group_of(typed) == "type_0")
        ].mean(axis=0)
        for label in ("control", "drug_a")
        for part in ("train",)
    }
    expected = means["drug_a", "train"] - means["control", "train"]
    np.testing.assert_allclose((predicted.X - x)[types == "type_0"].mean(axis=0), expected, atol=1e-4)


def test_one_cell_alone_moves_as_among_all(typed: AnnData) -> None:
    among_all = cs.tl.predict(typed, "drug_a")
    for i in (0, 7, 20):
        alone = cs.tl.predict(typed, "drug_a", cells=[among_all.obs_names[i]])
        np.testing.assert_allclose(alone.X[0], among_all.X[i], atol=1e-5)
        np.testing.assert_array_equal(alone.obsm["X_cellot"][0], among_all.obsm["X_cellot"][i])


def test_a_type_that_was_never_seen_follows_the_map_of_all(typed: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    adata = typed.copy()
    adata.obs["cell_type"] = np.where(adata.obs["split"] == "test", "new", group_of(adata))
    rows = np.flatnonzero((adata.obs["split"] == "test") & (adata.obs["perturbation"] == "control"))
    with caplog.at_level(logging.INFO, "cellot_sc"):
        predicted = cs.tl.predict(adata, "drug_a", cells=rows, decode=False)
    parent = cs.tl.maps(adata)["drug_a"].at(None)
    np.testing.assert_array_equal(predicted.X, parent.transport(adata.obsm["X_cellot"][rows]))
    assert (
        f"{len(rows)} of {len(rows)} cells are of categories of obs['cell_type'] for which there is no map ('new')"
        in caplog.text
    )


def test_everything_that_reads_maps_heeds_contexts(typed: AnnData) -> None:
    predicted = cs.tl.predict(typed, "drug_a")
    latent, types = predicted.obsm["X_cellot"], predicted.obs["cell_type"]
    before = typed.obsm["X_cellot"][typed.obs_names.get_indexer(predicted.obs_names)]
    changed = predicted.X - cs.pp.decode(typed, before)
    effects = cs.tl.subpopulation_effects(typed, "cell_type", targets="drug_a").set_index(["group", "feature"])
    costs = cs.tl.transport_cost(typed, targets="drug_a", groupby="cell_type", n_boot=3).set_index("group")["cost"]
    for kind in ("type_0", "type_1", QUIET):
        mask = (types == kind).to_numpy()
        np.testing.assert_allclose(effects.loc[kind]["effect"], changed[mask].mean(axis=0), atol=1e-5)
        moved = 0.5 * ((latent - before)[mask] ** 2).sum(axis=1).mean()
        assert costs[kind] == pytest.approx(moved, rel=1e-4)
    table = cs.tl.evaluate(typed, targets="drug_a", metrics="l2_means", n_boot=0)
    scores = table.set_index(["model", "group", "metric"])["value"]
    test = (predicted.obs["split"] == "test").to_numpy()
    treated = ((typed.obs["perturbation"] == "drug_a") & (typed.obs["split"] == "test")).to_numpy()
    expected = np.linalg.norm(latent[test].mean(axis=0) - typed.obsm["X_cellot"][treated].mean(axis=0))
    assert scores["group_shift", "all", "l2_means"] == pytest.approx(expected, rel=1e-4)
    assert "group_gaussian" in scores.index.get_level_values("model")


def test_figures_heed_contexts(typed: AnnData) -> None:
    latent = typed.copy()
    del latent.uns["X_cellot"]
    fit = fitted_by(latent)
    axes = cs.pl.marginals(fit, "drug_a", features=["X_cellot_0"], show=False)
    [line] = [line for line in axes["drug_a", "X_cellot_0"].lines if line.get_label() == "predicted"]
    at, height = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    rows = np.flatnonzero((fit.obs["split"] == "test") & (fit.obs["perturbation"] == "control"))
    expected = cs.tl.predict(fit, "drug_a", cells=rows).X[:, 0].mean()
    assert (at * height).sum() / height.sum() == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_is_kept_in_a_file_to_the_bit(cells: AnnData, suffix: str, tmp_path: Path) -> None:
    adata = fitted_by(cells, "group_gaussian", context=["cell_type", "patient"])
    path = tmp_path / f"cells{suffix}"
    write, read = ("write_h5ad", "read_h5ad") if suffix == ".h5ad" else ("write_zarr", "read_zarr")
    getattr(adata, write)(path)
    again = getattr(anndata, read)(path)
    assert cs.tl.maps(again).fit == cs.tl.maps(adata).fit
    assert isinstance(cs.tl.maps(again)["drug_b"].at("type_0"), ContextMap)
    np.testing.assert_array_equal(cs.tl.predict(again).X, cs.tl.predict(adata).X)


def test_weights_of_features_are_those_of_every_map(cells: AnnData) -> None:
    adata = fitted_by(cells, feature_weights=np.linspace(1, 2, 8))
    transport = cs.tl.maps(adata)["drug_a"]
    assert isinstance(transport, ContextMap)
    assert {one.kind for one in (transport.parent, *transport.maps)} == {"weighted"}
    np.testing.assert_allclose(cs.tl.predict(adata).X, cs.tl.predict(fitted_by(cells)).X, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"context": "celltype"}, KeyError, r"context 'celltype' is not in adata.obs. Did you mean 'cell_type'\?"),
        ({"context": "perturbation"}, ValueError, "context 'perturbation' is the perturbation_key"),
        ({"context": ["cell_type", "split"]}, ValueError, "context 'split' is the split_key"),
        (
            {"solver": "popalign"},
            ValueError,
            "'popalign' fits no map per context: .* Valid: 'group_shift', 'group_gaussian'",
        ),
    ],
)
def test_what_cannot_be_is_refused(cells: AnnData, change: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        fitted_by(cells, **change)


def test_a_target_that_shares_no_type_with_the_control_has_one_map(
    prepared: AnnData, caplog: pytest.LogCaptureFixture
) -> None:
    adata = prepared.copy()
    treated = (adata.obs["perturbation"] == "drug_b").to_numpy()
    adata.obs["kind"] = np.where(treated, "treated", adata.obs["cell_type"].astype(str))
    for _ in range(2):
        cs.tl.cellot(adata, solver="group_shift", context="kind")
        maps = cs.tl.maps(adata)
        assert maps["drug_a"].kind == "context"
        assert maps["drug_b"].kind == "shift"
    assert "train cells of both 'control' and 'drug_b': these have one map for all cells" in caplog.text
    assert set(cs.tl.evaluate(adata, metrics="l2_means", n_boot=0)["perturbation"]) == {"drug_a", "drug_b"}


def test_what_contexts_come_to_is_said(cells: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    train = cells.obs["split"] == "train"
    n_cells = pd.crosstab(group_of(cells)[train], cells.obs["perturbation"][train]).stack()
    with caplog.at_level(logging.INFO, "cellot_sc"):
        fitted_by(cells, targets="drug_a")
    for said in (
        f"no label in obs['cell_type']: {n_cells['', 'control']} control and {n_cells['', 'drug_a']} treated train",
        f"'{QUIET}': {n_cells[QUIET, 'control']} control cells without treated cells have no map of their own",
        f"'{RARE}': {n_cells[RARE, 'drug_a']} treated cells without control cells are left out",
    ):
        assert sum(line.startswith(said) for line in caplog.messages) == 1, said
    # the shares of the types that both have do not differ beyond chance
    assert "differs beyond chance" not in caplog.text


def test_weights_that_are_capped_are_said(prepared: AnnData, caplog: pytest.LogCaptureFixture) -> None:
    adata = prepared.copy()
    rows = np.flatnonzero((adata.obs["perturbation"] == "drug_a") & (adata.obs["cell_type"] == "type_1"))
    train = rows[(adata.obs["split"] == "train").to_numpy()[rows]]
    adata = adata[np.setdiff1d(np.arange(adata.n_obs), train[1:])].copy()
    with caplog.at_level(logging.INFO, "cellot_sc"):
        cs.tl.cellot(adata, solver="group_shift", context="cell_type")
    [line] = [line for line in caplog.messages if "10 is the most" in line]
    assert line.startswith("'type_1': so few treated cells") and line.endswith("(for 'drug_a')")


def test_composition_that_differs_is_said_once_for_all_targets(
    prepared: AnnData, caplog: pytest.LogCaptureFixture
) -> None:
    adata = prepared.copy()
    rows = np.flatnonzero((adata.obs["perturbation"] != "control") & (adata.obs["cell_type"] == "type_1"))
    adata = adata[np.setdiff1d(np.arange(adata.n_obs), rows[np.arange(len(rows)) % 4 > 0])].copy()
    cs.tl.cellot(adata, solver="gaussian")
    cs.tl.evaluate(adata, groupby="cell_type", metrics="l2_means", n_boot=0)
    warnings = [line for line in caplog.messages if "context='cell_type'" in line]
    assert len(warnings) == 1
    assert "a map that is not told can turn them into each other" in warnings[0]
    assert "'type_1'" in warnings[0]
    caplog.clear()
    with caplog.at_level(logging.INFO, "cellot_sc"):
        cs.tl.cellot(adata, solver="group_shift", context="cell_type")
        cs.tl.evaluate(adata, groupby="cell_type", metrics="l2_means", n_boot=0)
    [line] = [line for line in caplog.messages if "composition of control cells, which differs beyond chance" in line]
    assert "'type_1'" in line and "% of control and" in line
    assert "context='cell_type'" not in caplog.text


def test_shares_of_equal_size_are_no_news() -> None:
    alike = {"control": np.repeat(["a", "b", ""], [50, 40, 10]), "drug": np.repeat(["a", "b", ""], [51, 39, 30])}
    assert differing(alike, "control") is None
    other = np.repeat(["a", "b"], [80, 20])
    found = differing(alike | {"other": other}, "control")
    assert found == (
        "other",
        "'a' 55.6 % of control and 80 % of treated cells, 'b' 44.4 % of control and 20 % of treated cells",
    )
    # also where one side has none at all
    assert differing({"control": other, "drug": np.repeat(["a", "c"], [80, 20])}, "control") is not None
    assert differing({"control": other, "drug": np.array(["", ""])}, "control") is None


def test_the_null_keeps_contexts(typed: AnnData) -> None:
    found = null(displacements(typed, "cellot"), seed=0)
    assert {one.kind for one in found.maps} == {"context"}
    assert all(isinstance(one, ContextMap) and "type_0" in one.names for one in found.maps)


def test_a_course_knows_no_contexts(caplog: pytest.LogCaptureFixture) -> None:
    course = cs.datasets.simulate_branching(300, 20)
    cs.pp.split(course, "time", control="0")
    cs.pp.represent(course, n_components=4)
    with pytest.raises(TypeError, match="no option 'context'"):
        cs.tl.trajectory(course, solver="gaussian", context="fate")
    cs.tl.trajectory(course, solver="gaussian")
    with caplog.at_level(logging.INFO, "cellot_sc"):
        scores = cs.tl.evaluate(course, key="trajectory", groupby="fate", metrics="l2_means", n_boot=0)
    assert not set(scores["model"]) & {"group_shift", "group_gaussian"}
    assert "in time, cells turn into other kinds: no baseline is told categories of obs['fate']" in caplog.text


def test_a_change_of_abundance_is_no_response() -> None:
    """Types thinned to a quarter, the odd of treated and the even of control train cells: they keep their identity."""
    adata = cs.datasets.simulate(2400, 60, n_cell_types=5, perturbations=("drug",))
    cs.pp.split(adata)
    odd = adata.obs["cell_type"].cat.codes.to_numpy() % 2 == 1
    thinned = odd == (adata.obs["perturbation"] != "control").to_numpy()
    dropped = thinned & (adata.obs["split"] == "train") & (np.random.default_rng(0).random(adata.n_obs) < 0.75)
    adata = adata[~dropped].copy()
    cs.pp.represent(adata, n_components=10)
    errors = {}
    for name, context in {"without": None, "with": "cell_type"}.items():
        matched = False if context is None else None
        cs.tl.cellot(adata, solver="group_gaussian", context=context, match_abundance=matched, key_added=name)
        scores = cs.tl.evaluate(
            adata, key=name, groupby="cell_type", metrics="energy_distance", baselines=(), n_boot=0
        ).set_index(["model", "group", "metric"])["value"]
        errors[name] = scores["group_gaussian", "mean", "energy_distance"]
    assert errors["without"] > 1
    assert errors["with"] < errors["without"] / 4
    assert errors["with"] < 0.15


def test_a_difference_between_batches_is_no_response() -> None:
    """Batches an offset apart in both conditions, with most control cells in one and most treated ones in the other."""
    rng, n, response, offset = np.random.default_rng(0), 400, np.array([1.0, 0, 0, 0]), np.array([0, 4.0, 0, 0])
    treated = np.repeat([False, True], n)
    late = rng.permuted(np.repeat([[0.25], [0.75]], n, axis=1) > np.linspace(0, 1, n), axis=1).ravel()
    x = rng.normal(size=(2 * n, 4)) + np.outer(treated, response) + np.outer(late, offset)
    obs = pd.DataFrame({"perturbation": np.where(treated, "drug", "control"), "batch": np.where(late, "late", "early")})
    adata = AnnData(x.astype(np.float32), obs=obs.set_index(obs.index.astype(str)))
    cs.pp.split(adata)
    moved, scores = {}, {}
    for context in (None, "batch"):
        cs.tl.cellot(adata, solver="group_gaussian", use_rep="X", context=context)
        moved[context] = (cs.tl.predict(adata, "drug").X - x[~treated]).mean(axis=0)
        table = cs.tl.evaluate(adata, groupby="batch", metrics="energy_distance", baselines=(), n_boot=0)
        values = table.set_index(["model", "group", "metric"])["value"]
        scores[context] = values["group_gaussian", "mean", "energy_distance"]
    # the half of the offset by which the means of the conditions differ
    assert moved[None][1] > 1.5
    assert abs(moved["batch"][1]) < 0.15
    assert moved["batch"][0] == pytest.approx(1, abs=0.2)
    assert scores["batch"] < scores[None] / 5


def test_contexts_within_contexts_that_are_on_one_side_are_said_and_refused_if_all_are(
    prepared: AnnData, caplog: pytest.LogCaptureFixture
) -> None:
    adata = prepared.copy()
    treated = (adata.obs["perturbation"] != "control").to_numpy()
    few = treated & (adata.obs["patient"] == "patient_1").to_numpy() & (adata.obs["cell_type"] == "type_0").to_numpy()
    adata = adata[~few].copy()
    with caplog.at_level(logging.INFO, "cellot_sc"):
        fitted_by(adata, context=["cell_type", "patient"])
    lone = (adata.obs["perturbation"] == "control") & (adata.obs["split"] == "train")
    lone &= (adata.obs["patient"] == "patient_1") & (adata.obs["cell_type"] == "type_0")
    said = "within obs['cell_type'], categories of obs['patient'] on one side only have no map of their own: "
    assert f"{said}{lone.sum()} control and 0 treated train cells" in caplog.text
    odd = (adata.obs["cell_type"] == "type_1").to_numpy()
    adata.obs["animal"] = np.where((adata.obs["perturbation"] == "control") ^ odd, "a", "b")
    with pytest.raises(ValueError, match="context 'animal': no category has train cells of both 'control' and a pert"):
        fitted_by(adata, context=["cell_type", "animal"])

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc.ot import EntropicMap

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def _cells() -> AnnData:
    adata = cs.datasets.simulate_branching(300, 20)
    cs.pp.split(adata, "time", control="0")
    cs.pp.represent(adata, n_components=4)
    adata.obs["time"] = adata.obs["time"].astype("category")
    return adata


@pytest.fixture
def cells(_cells: AnnData) -> AnnData:
    return _cells.copy()


def solved(adata: AnnData, *, policy: str = "sequential", cost: str = "sq_euclidean", **kwargs: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moscot.problems.time import TemporalProblem

        problem: Any = TemporalProblem(adata)  # type: ignore[abstract]
        return problem.prepare("time", joint_attr="X_cellot", policy=policy, cost=cost).solve(
            **{"epsilon": 0.05, **kwargs}
        )


@pytest.mark.parametrize("tau_a", [1.0, 0.9])
def test_barycentres_of_the_coupling_in_sample(cells: AnnData, tau_a: float) -> None:
    problem = solved(cells, tau_a=tau_a)
    maps = cs.tl.from_moscot(problem)
    assert list(maps) == [(0, 1), (1, 2)]
    for (source, target), found in maps.items():
        x = cells.obsm["X_cellot"][(cells.obs["time"] == source).to_numpy()]
        y = cells.obsm["X_cellot"][(cells.obs["time"] == target).to_numpy()]
        plan = np.asarray(problem[source, target].solution.transport_matrix, dtype=np.float64)
        np.testing.assert_allclose(found.transport(x), plan @ y / plan.sum(1, keepdims=True), atol=1e-2)
        np.testing.assert_allclose(found.inverse(y), plan.T @ x / plan.sum(0)[:, None], atol=1e-2)


def test_other_cells_go_where_their_neighbours_go(cells: AnnData) -> None:
    [found, _] = cs.tl.from_moscot(solved(cells)).values()
    x = cells.obsm["X_cellot"][(cells.obs["time"] == 0).to_numpy()]
    np.testing.assert_allclose(found.transport(x + 1e-4), found.transport(x), atol=1e-2)


def test_is_a_time_course(cells: AnnData) -> None:
    cs.tl.from_moscot(solved(cells))
    fit = cs.tl.maps(cells, "moscot").fit
    assert (fit.kind, fit.solver, fit.times) == ("couplings", "moscot", (0.0, 1.0, 2.0))
    assert cs.tl.interpolate(cells, 1.5, source=0, key="moscot").n_obs == 100
    cs.tl.fate(cells, key="moscot")
    table = cs.tl.clonal_agreement(cells, baselines="prior", n_boot=0)
    assert set(table["model"]) == {"moscot", "prior"}
    scores = cs.tl.evaluate(cells, key="moscot", metrics="energy_distance", n_boot=0)
    assert set(scores["model"]) == {"moscot", "identity", "mean_shift", "gaussian", "observed"}
    assert cs.pl.trajectory(cells, key="moscot", show=False).get_xlabel() == "PCA 1"


def test_solved_on_train_cells(cells: AnnData) -> None:
    problem = solved(cells[cells.obs["split"] == "train"].copy())
    cs.tl.from_moscot(problem, cells, key_added="other")
    scores = cs.tl.evaluate(cells, key="other", metrics="energy_distance", n_boot=0)
    moved = scores[scores["perturbation"] == "2"].set_index(["model", "metric"])["value"]
    assert moved["moscot", "energy_distance"] < 0.2 * moved["identity", "energy_distance"]


def test_perturbations(simulated: AnnData) -> None:
    from moscot.problems.generic import SinkhornProblem

    adata = simulated.copy()
    cs.pp.split(adata)
    cs.pp.represent(adata, n_components=4)
    pairs = [("control", "drug_a"), ("control", "drug_b")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem: Any = SinkhornProblem(adata)  # type: ignore[abstract]
        problem = problem.prepare("perturbation", joint_attr="X_cellot", policy="explicit", subset=pairs)
        problem = problem.solve(epsilon=0.05)
    assert all(isinstance(found, EntropicMap) for found in cs.tl.from_moscot(problem).values())
    assert cs.tl.predict(adata, "drug_b", key="moscot").n_obs == 200
    # what is read from maps is read from these, the null of an entropic map beside
    costs = cs.tl.transport_cost(adata, key="moscot", n_boot=20)
    assert set(costs["perturbation"]) == {"drug_a", "drug_b"}
    assert (costs["null"] > 0).all()
    effects = cs.tl.subpopulation_effects(adata, "cell_type", key="moscot")
    assert effects["pvalue"].between(0, 1).all()


def test_no_problem(cells: AnnData) -> None:
    with pytest.raises(TypeError, match="problem is of type AnnData; a solved TemporalProblem"):
        cs.tl.from_moscot(cells)


def test_not_solved(cells: AnnData) -> None:
    from moscot.problems.time import TemporalProblem

    with pytest.raises(ValueError, match="is not solved"):
        cs.tl.from_moscot(TemporalProblem(cells))  # type: ignore[abstract]


def test_other_costs_ranks_and_pairs(cells: AnnData) -> None:
    with pytest.raises(ValueError, match="cost='sq_euclidean' is needed"):
        cs.tl.from_moscot(solved(cells, cost="euclidean"))
    with pytest.raises(ValueError, match="no dual potentials: solve with full rank"):
        cs.tl.from_moscot(solved(cells, rank=2, epsilon=0.0, max_iterations=10))
    with pytest.raises(ValueError, match="pairs are to be consecutive"):
        cs.tl.from_moscot(solved(cells, policy="triu"))
    problem = solved(cells)
    del cells.obsm["X_cellot"]
    with pytest.raises(KeyError, match="The space in which the moscot problem was solved is not in obsm"):
        cs.tl.from_moscot(problem)
    assert "moscot" not in cells.uns

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.axes import Axes

import cellot_sc as cs
from cellot_sc.pp._origin import Marks
from cellot_sc.tl._fit import store


@pytest.fixture(scope="session")
def _fitted(simulated: AnnData) -> AnnData:
    adata = simulated.copy()
    cs.pp.split(adata, test_fraction=0.3)
    cs.pp.represent(adata, n_components=8)
    cs.tl.cellot(adata, solver="gaussian")
    return adata


@pytest.fixture
def fitted(_fitted: AnnData) -> AnnData:
    """Cells with Gaussian maps of two perturbations, to change as you like."""
    return _fitted.copy()


def history(names: list[str]) -> pd.DataFrame:
    """Return a history as a solver that iterates would have written it: the last perturbation validates worst."""
    rows = []
    for i, name in enumerate(names):
        for step in (0, 100, 200, 300):
            rows.append((name, step, 0.1, "loss", np.nan if step == 0 else 10 - i - step / 100))
            rows.append((name, step, 0.1, "validation", 1 + i + abs(step - 200) / 100))
        rows.append((name, 200, np.nan, "selected", 200.0))
    return pd.DataFrame(rows, columns=["perturbation", "step", "seconds", "metric", "value"])


@pytest.fixture
def iterated(fitted: AnnData) -> AnnData:
    """Cells with maps and a history of two perturbations."""
    fitted.uns["cellot"]["history"] = history(["drug_a", "drug_b"])
    return fitted


@pytest.fixture
def iterated_34(fitted: AnnData) -> AnnData:
    """Cells that claim to have maps and a history of 34 perturbations."""
    names = [f"drug_{i:02d}" for i in range(34)]
    maps = cs.tl.maps(fitted)
    assert maps.fit.origin is not None
    # no cell is known again, so that tests may label them as they like
    origin = dataclasses.replace(maps.fit.origin, marks=Marks.read(None))
    fit = dataclasses.replace(maps.fit, targets=tuple(names), cells=(), origin=origin)
    store.save(fitted, "cellot", store.FittedMaps(fit, dict.fromkeys(names, maps["drug_a"]), history(names)))
    return fitted


GROUPS = ("B cells", "CD14+ monocytes", "CD4 T cells", "NK cells")


class Tables:
    """Tables as the functions of ``cs.tl`` make them, of any number of perturbations."""

    @staticmethod
    def names(n: int) -> list[str]:
        return [f"drug_{i:02d}" for i in range(n)]

    @classmethod
    def costs(cls, n: int, groups: tuple[str, ...] = GROUPS) -> pd.DataFrame:
        rng, rows = np.random.default_rng(0), []
        for name in cls.names(n):
            severity = rng.gamma(2, 2)
            for group in ("all", *groups):
                cost = severity * (1 if group == "all" else rng.uniform(0.4, 1.6))
                rows.append((name, group, cost, np.sqrt(2 * cost), 0.85 * cost, 1.2 * cost, 0.3, 100))
        columns = "perturbation group cost distance ci_low ci_high null n_cells"
        return pd.DataFrame(rows, columns=columns.split())

    @classmethod
    def signature(cls, n: int, n_features: int = 40) -> pd.DataFrame:
        rng = np.random.default_rng(0)
        observed = rng.normal(size=(n, n_features)) * (rng.random((n, n_features)) < 0.4)
        predicted = 0.9 * observed + rng.normal(0, 0.1, size=observed.shape)
        genes = [f"GENE{i:02d}" if i % 3 else f"LONG-NAME-{i:02d}" for i in range(n_features)]
        return pd.DataFrame(
            {
                "perturbation": np.repeat(cls.names(n), n_features),
                "feature": genes * n,
                "predicted": predicted.ravel(),
                "observed": observed.ravel(),
                "pvalue_observed": np.exp(-10 * np.abs(observed)).ravel(),
            }
        )

    @classmethod
    def subpopulations(cls, n: int, groups: tuple[str, ...] = GROUPS) -> pd.DataFrame:
        rng, tables = np.random.default_rng(0), []
        base = cls.signature(n)
        for group in groups:
            effect = base["predicted"].to_numpy() * rng.uniform(0, 1.5, size=len(base))
            pvalue = np.exp(-10 * np.abs(effect))
            part = base[["perturbation", "feature"]].assign(
                group=group, effect=effect, se=0.05, pvalue=pvalue, pvalue_adj=np.minimum(1, 3 * pvalue),
                frac_responding=np.minimum(1, np.abs(effect)), effect_observed=effect, n_cells=50,
            )  # fmt: skip
            tables.append(part)
        return pd.concat(tables, ignore_index=True)

    @classmethod
    def similarity(cls, n: int) -> pd.DataFrame:
        rng = np.random.default_rng(0)
        modes = rng.normal(size=(5, 20))
        fields = np.stack([modes[i % 5] + rng.normal(0, 0.5, 20) for i in range(n)])
        fields /= np.linalg.norm(fields, axis=1, keepdims=True)
        return pd.DataFrame(fields @ fields.T, index=cls.names(n), columns=cls.names(n))

    @classmethod
    def scores(cls, n: int, sizes: tuple[int, ...] = (50,)) -> pd.DataFrame:
        rng, rows = np.random.default_rng(0), []
        models = {"identity": 1.0, "mean_shift": 0.5, "gaussian": 0.3, "icnn": 0.15, "observed": 0.1}
        for name in cls.names(n):
            for size in sizes:
                for model, level in models.items():
                    value = level * size**0.3 * rng.uniform(0.8, 1.2)
                    for metric, of_metric in (("energy_distance", value), ("pearson_delta", 1 - level / 2)):
                        rows.append(
                            (
                                model,
                                metric,
                                "-",
                                name,
                                "all",
                                "test",
                                "latent",
                                0,
                                size,
                                80,
                                of_metric,
                                0.9 * of_metric,
                                of_metric + 0.1,
                            )
                        )
        columns = "model metric floor perturbation group split compared seed n_features n_cells value ci_low ci_high"
        return pd.DataFrame(rows, columns=columns.split())


@pytest.fixture(scope="session")
def tables() -> type[Tables]:
    """Tables to draw."""
    return Tables


@pytest.fixture(scope="session")
def _of_many() -> dict[int, AnnData]:
    found = {}
    for n in (1, 3, 34):
        adata = cs.datasets.simulate((n + 1) * (40 if n == 34 else 160), 24, perturbations=Tables.names(n))
        cs.pp.split(adata, test_fraction=0.3)
        cs.pp.represent(adata, n_components=4)
        cs.tl.cellot(adata, solver="gaussian" if n < 34 else "mean_shift")
        adata.uns["cellot"]["history"] = history(Tables.names(n))
        # four clusters and a tissue, without the packages that find them
        adata.obs["effect_cluster"] = adata.obs["cell_type"].where(adata.obs["perturbation"] == "control")
        corner = adata.obs["cell_type"].cat.codes.to_numpy()
        place = np.random.default_rng(0).uniform(size=(adata.n_obs, 2))
        adata.obsm["spatial"] = place + np.stack([corner % 2, corner // 2], axis=-1)
        found[n] = adata
    return found


@pytest.fixture(params=[1, 3, 34])
def number(request: pytest.FixtureRequest) -> int:
    """Number of perturbations."""
    return int(request.param)


@pytest.fixture
def cells(_of_many: dict[int, AnnData], number: int) -> AnnData:
    """Cells with maps, a history, clusters and coordinates. Copy them before you change them."""
    return _of_many[number]


def draw(name: str, adata: AnnData, tables: type[Tables], n: int, **kwargs: Any) -> list[Axes]:
    """Draw the figure of a name, of ``n`` perturbations, and return its axes."""
    functions: dict[str, Callable[[], Any]] = {
        "displacement": lambda: cs.pl.displacement(adata, basis="pca", **kwargs),
        "displacement_stream": lambda: cs.pl.displacement(adata, basis="pca", stream=True, color="cell_type", **kwargs),
        "perturbation_similarity": lambda: cs.pl.perturbation_similarity(tables.similarity(n), **kwargs),
        "effect_clusters": lambda: cs.pl.effect_clusters(adata, basis="pca", **kwargs),
        "effect_heatmap": lambda: cs.pl.effect_heatmap(
            tables.subpopulations(n) if n < 34 else tables.signature(n), **kwargs
        ),
        "embedding": lambda: cs.pl.embedding(adata, basis="pca", **kwargs),
        "evaluation": lambda: cs.pl.evaluation(tables.scores(n), **kwargs),
        "evaluation_curves": lambda: cs.pl.evaluation(
            tables.scores(n, (5, 10, 50, 200, 1000)), x="n_features", **kwargs
        ),
        "history": lambda: cs.pl.history(adata, **kwargs),
        "marginals": lambda: cs.pl.marginals(adata, **kwargs),
        "responses": lambda: cs.pl.responses(tables.signature(n), **kwargs),
        "spatial_effects": lambda: cs.pl.spatial_effects(adata, **kwargs),
        "subpopulation_effects": lambda: cs.pl.subpopulation_effects(tables.subpopulations(n), **kwargs),
        "composition": lambda: cs.pl.composition(adata, "cell_type", "perturbation", **kwargs),
        "transport_cost": lambda: cs.pl.transport_cost(tables.costs(n), **kwargs),
        "volcano": lambda: cs.pl.volcano(tables.subpopulations(n), **kwargs),
    }
    drawn = functions[name]()
    return list(drawn.values()) if isinstance(drawn, dict) else [drawn]


@pytest.fixture(
    params=[
        "composition", "displacement", "displacement_stream", "effect_clusters", "effect_heatmap", "embedding",
        "evaluation", "evaluation_curves", "history", "marginals", "perturbation_similarity", "responses",
        "spatial_effects", "subpopulation_effects", "transport_cost", "volcano",
    ]
)  # fmt: skip
def figure_name(request: pytest.FixtureRequest) -> str:
    """Name of a figure: its function, and what it was asked for beyond the defaults."""
    return str(request.param)


@pytest.fixture
def drawer(figure_name: str, cells: AnnData, tables: type[Tables], number: int) -> Callable[..., list[Axes]]:
    """Draws the figure."""
    return partial(draw, figure_name, cells, tables, number)


@pytest.fixture
def placed(fitted: AnnData) -> AnnData:
    fitted.obsm["spatial"] = np.random.default_rng(0).uniform(size=(fitted.n_obs, 2))
    fitted.obsm["X_two"] = fitted.obsm["X_cellot"][:, :2].copy()
    return fitted


@pytest.fixture(scope="session")
def _course() -> AnnData:
    adata = cs.datasets.simulate_branching(450, 30)
    cs.pp.split(adata, "time", control="0")
    cs.pp.represent(adata, n_components=5)
    cs.tl.trajectory(adata, solver="gaussian")
    cs.tl.fate(adata)
    return adata


@pytest.fixture
def course(_course: AnnData) -> AnnData:
    """Cells with a time course, fates and clones, to change as you like."""
    return _course.copy()


@pytest.fixture(scope="session")
def agreement(_course: AnnData) -> pd.DataFrame:
    """How well two models agree with the clones."""
    return cs.tl.clonal_agreement(_course, baselines=["prior", "identity"], n_boot=30)


@pytest.fixture(scope="session")
def _doses() -> AnnData:
    adata = cs.datasets.simulate_doses(40, 4, doses=(1, 10, 100), n_replicates=2)
    cs.tl.dose_response(adata, replicate="replicate", solver="mean_shift", use_rep="X")
    return adata


@pytest.fixture
def doses(_doses: AnnData) -> AnnData:
    """Cells with maps to three doses, to change as you like."""
    return _doses.copy()

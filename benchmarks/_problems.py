"""The problems that solvers are compared on: one generator per data set."""

from __future__ import annotations

import argparse
import dataclasses
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import anndata as ad
import numpy as np
import scanpy as sc

import cellot_sc as cs
from cellot_sc.ot import Problem

SPLIT = {"test_fraction": 0.2, "valid_fraction": 0.1}


@dataclasses.dataclass(frozen=True)
class Task:
    """Cells to learn from, and cells of the same conditions to judge by."""

    name: str
    problem: Problem
    source: np.ndarray
    """Test cells."""
    target: np.ndarray
    source_types: np.ndarray
    """Label of every test cell: the subpopulation within which the prediction is judged too."""
    target_types: np.ndarray
    train_types: np.ndarray
    """Label of every treated train cell."""


def kang(path: Path, seed: int) -> list[Task]:
    """Blood cells, interferon beta: singlets, log1p; 1000 variable genes and 50 principal components of train cells."""
    adata = ad.read_h5ad(path)
    adata = adata[adata.obs["demuxlet"] == "SNG"].copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return _tasks(adata, "condition", "control", "cell_type", seed, name="interferon beta", n_genes=1000)


def perturbench(path: Path, seed: int) -> list[Task]:
    """Genetic perturbations in four cell lines, each against the control cells of its own line. No types."""
    adata = ad.read_h5ad(path)
    tasks = []
    for line in adata.obs["cell_type"].value_counts().index:
        cells = adata[adata.obs["cell_type"] == line].copy()
        tasks += _tasks(cells, "condition", "control", "cell_type", seed, name=f"{line} {{}}")
    return tasks


def embryoid(path: Path, seed: int) -> list[Task]:
    """Embryoid bodies, from every day to the next, in the components that the file has."""
    adata = ad.read_h5ad(path)
    x = np.asarray(adata.X, dtype=np.float32)
    days = adata.obs["time"].to_numpy()
    parts = _parts(days.astype(str), seed)
    everyone = np.full(len(x), "all")
    ordered = sorted(np.unique(days))
    return [
        _task(f"day {a} to {b}", x, parts, days == a, days == b, everyone)
        for a, b in zip(ordered[:-1], ordered[1:], strict=True)
    ]


def simulated(seed: int, *, n_cells: int = 2000, n_dims: int = 20) -> list[Task]:
    """Five cell types of known response: none, a shift of all cells, and a strong one of the rarest type (4 %) only."""
    rng = np.random.default_rng(seed)
    shares = np.array([0.4, 0.26, 0.18, 0.12, 0.04])
    # as in principal components, the first dimensions hold most of the variance
    spread = 3.0 * np.arange(1, n_dims + 1) ** -0.5
    centres = rng.normal(size=(len(shares), n_dims)) * 2 * spread
    mixing = rng.normal(size=(len(shares), n_dims, n_dims)) * 0.5 * spread / np.sqrt(n_dims)

    def population() -> tuple[np.ndarray, np.ndarray]:
        types = rng.choice(len(shares), n_cells, p=shares)
        noise = rng.normal(size=(n_cells, n_dims))
        cells = centres[types] + 0.3 * spread * noise + np.einsum("nd,nde->ne", noise, mixing[types])
        return cells, types

    shift = rng.normal(size=n_dims) * spread
    rare = len(shares) - 1
    tasks = []
    for name in ("no effect", "linear shift", "rare type responds"):
        (x, x_types), (y, y_types) = population(), population()
        if name == "linear shift":
            y = y + shift
        elif name == "rare type responds":
            y = y + 2 * shift * (y_types == rare)[:, None]
        cells = np.concatenate([x, y]).astype(np.float32)
        treated = np.repeat([False, True], n_cells)
        parts = _parts(treated.astype(str), seed)
        types = np.concatenate([x_types, y_types]).astype(str)
        tasks.append(_task(name, cells, parts, ~treated, treated, types))
    return tasks


def _folder() -> Path:
    return Path(os.environ.get("CELLOT_SC_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")


SETS: dict[str, Callable[..., list[Task]]] = {
    "simulated": simulated,
    "kang": lambda seed, path=None: kang(path or _folder() / "kang_harmony_scgen.h5ad", seed),
    "perturbench": lambda seed, path=None: perturbench(path or _folder() / "perturbench_devel.h5ad", seed),
    "eb": lambda seed, path=None: embryoid(path or _folder() / "eb_pca5.h5ad", seed),
}
"""Generator of every data set. The files are those of the tests: in ``CELLOT_SC_TEST_DATA``, or beside the checkout."""


def add_arguments(parser: argparse.ArgumentParser, *, default: Sequence[str]) -> None:
    """Let the command line choose data sets."""
    parser.add_argument(
        "--data",
        nargs="+",
        default=list(default),
        metavar="FILE",
        help=f"data sets ({', '.join(SETS)}), or files whose names begin with one of these words",
    )


def load(name: str, seed: int) -> tuple[str, list[Task]]:
    """Return the name and the tasks of a data set, or of a file that holds one, split and represented by a seed.

    Raises
    ------
    ValueError
        If there is no such data set.
    """
    word = Path(name).stem.split("_")[0]
    if word not in SETS:
        msg = f"{name!r} begins with none of {', '.join(SETS)}."
        raise ValueError(msg)
    return word, SETS[word](seed) if name == word else SETS[word](seed, Path(name))


def _tasks(
    adata: ad.AnnData, key: str, control: str, type_key: str, seed: int, *, name: str, n_genes: int | None = None
) -> list[Task]:
    """Return a task per perturbation; they share their control cells, so that these are held once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cs.pp.split(adata, key, control=control, seed=seed, **SPLIT)
        if n_genes is not None:
            adata = of_variable_genes(adata, n_genes)
        cs.pp.represent(adata)
    x, parts = adata.obsm["X_cellot"], adata.obs["split"].astype(str).to_numpy()
    labels, types = adata.obs[key].astype(str).to_numpy(), adata.obs[type_key].astype(str).to_numpy()
    targets = sorted(set(labels) - {control})
    tasks = [_task(name.format(target), x, parts, labels == control, labels == target, types) for target in targets]
    return [_sharing(task, tasks[0]) for task in tasks]


def of_variable_genes(adata: ad.AnnData, n_genes: int) -> ad.AnnData:
    """Return a copy with so many genes: those that vary most in train cells."""
    train = adata[(adata.obs["split"] == "train").to_numpy()].copy()
    sc.pp.highly_variable_genes(train, n_top_genes=n_genes)
    return adata[:, train.var["highly_variable"].to_numpy()].copy()


def _task(
    name: str, x: np.ndarray, parts: np.ndarray, source: np.ndarray, target: np.ndarray, types: np.ndarray
) -> Task:
    def cells(mask: np.ndarray, part: str) -> np.ndarray:
        return x[mask & (parts == part)]

    problem = Problem(cells(source, "train"), cells(target, "train"), cells(source, "valid"), cells(target, "valid"))
    test = parts == "test"
    train_types = types[target & (parts == "train")]
    return Task(
        name, problem, x[source & test], x[target & test], types[source & test], types[target & test], train_types
    )


def _sharing(task: Task, first: Task) -> Task:
    problem = Problem(first.problem.source, task.problem.target, first.problem.source_valid, task.problem.target_valid)
    return dataclasses.replace(task, problem=problem)


def _parts(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return train, valid or test for every cell, in the proportions of :data:`SPLIT` within every label."""
    obs = ad.AnnData(obs={"label": labels}).obs
    adata = ad.AnnData(obs=obs)
    cs.pp.split(adata, "label", control=labels[0], seed=seed, **SPLIT)
    return adata.obs["split"].astype(str).to_numpy()

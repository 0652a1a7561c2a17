"""The problems that solvers are compared on: one generator per data set."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import scanpy as sc

import cellot_sc as cs
from cellot_sc.ot import Problem

SPLIT = {"test_fraction": 0.2, "valid_fraction": 0.1}


@dataclass(frozen=True)
class Case:
    """Cells to learn from, and cells of the same conditions to judge by."""

    name: str
    problem: Problem
    source_test: np.ndarray
    target_test: np.ndarray
    source_types: np.ndarray
    """Label of every test cell: the subpopulation within which the prediction is judged too."""
    target_types: np.ndarray


def kang(path: Path, seed: int) -> list[Case]:
    """Blood cells, interferon beta: singlets, log1p, 1000 variable genes, 50 principal components of train cells."""
    adata = ad.read_h5ad(path)
    adata = adata[adata.obs["demuxlet"] == "SNG"].copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=1000)
    adata = adata[:, adata.var["highly_variable"]].copy()
    return _cases(adata, "condition", "control", "cell_type", seed, name="kang")


def perturbench(path: Path, seed: int) -> list[Case]:
    """Genetic perturbations, each against the control cells of the lines it was made in. The lines are the types."""
    return _cases(ad.read_h5ad(path), "condition", "control", "cell_type", seed, within_types=True)


def embryoid(path: Path, seed: int) -> list[Case]:
    """Embryoid bodies, from every day to the next, in the components that the file has."""
    adata = ad.read_h5ad(path)
    x = np.asarray(adata.X, dtype=np.float32)
    days = adata.obs["time"].to_numpy()
    parts = _parts(days.astype(str), seed)
    everyone = np.full(len(x), "all")
    ordered = sorted(np.unique(days))
    return [
        _case(f"day {a} to {b}", x, parts, days == a, days == b, everyone)
        for a, b in zip(ordered[:-1], ordered[1:], strict=True)
    ]


def simulated(seed: int, *, n_cells: int = 2000, n_dims: int = 20) -> list[Case]:
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
    cases = []
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
        cases.append(_case(name, cells, parts, ~treated, treated, types))
    return cases


FILES: dict[str, Callable[[Path, int], list[Case]]] = {"kang": kang, "perturbench": perturbench, "eb": embryoid}
"""Generator by the first word of a file's name."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Let the command line choose the data sets."""
    parser.add_argument(
        "--data",
        nargs="+",
        required=True,
        help=f"'simulated', or files whose names begin with {', '.join(FILES)}",
    )


def load(names: Sequence[str], seed: int) -> Iterator[tuple[str, list[Case]]]:
    """Yield the name and the cases of every data set, split and represented by a seed.

    Raises
    ------
    ValueError
        If a file is of no known data set.
    """
    for name in names:
        if name == "simulated":
            yield name, simulated(seed)
            continue
        word = Path(name).stem.split("_")[0]
        if word not in FILES:
            msg = f"{name!r} begins with none of {', '.join(FILES)}, and is not 'simulated'."
            raise ValueError(msg)
        yield word, FILES[word](Path(name), seed)


def _cases(
    adata: ad.AnnData, key: str, control: str, type_key: str, seed: int, *, name: str = "", within_types: bool = False
) -> list[Case]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cs.pp.split(adata, key, control=control, seed=seed, **SPLIT)
        cs.pp.represent(adata)
    x, parts = adata.obsm["X_cellot"], adata.obs["split"].astype(str).to_numpy()
    labels, types = adata.obs[key].astype(str).to_numpy(), adata.obs[type_key].astype(str).to_numpy()
    cases = []
    shared: dict[tuple[str, ...], Case] = {}
    for target in sorted(set(labels) - {control}):
        lines = tuple(sorted(set(types[labels == target]))) if within_types else ()
        source = (labels == control) & (np.isin(types, lines) | (not within_types))
        case = _case(name or target, x, parts, source, labels == target, types)
        # perturbations of the same lines share their control cells, so that these are held once
        case = _sharing(case, shared.setdefault(lines, case))
        cases.append(case)
    return cases


def _case(
    name: str, x: np.ndarray, parts: np.ndarray, source: np.ndarray, target: np.ndarray, types: np.ndarray
) -> Case:
    def cells(mask: np.ndarray, part: str) -> np.ndarray:
        return x[mask & (parts == part)]

    problem = Problem(cells(source, "train"), cells(target, "train"), cells(source, "valid"), cells(target, "valid"))
    test = parts == "test"
    return Case(name, problem, x[source & test], x[target & test], types[source & test], types[target & test])


def _sharing(case: Case, first: Case) -> Case:
    problem = Problem(first.problem.source, case.problem.target, first.problem.source_valid, case.problem.target_valid)
    return Case(case.name, problem, case.source_test, case.target_test, case.source_types, case.target_types)


def _parts(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return train, valid or test for every cell, in the proportions of :data:`SPLIT` within every label."""
    obs = ad.AnnData(obs={"label": labels}).obs
    adata = ad.AnnData(obs=obs)
    cs.pp.split(adata, "label", control=labels[0], seed=seed, **SPLIT)
    return adata.obs["split"].astype(str).to_numpy()

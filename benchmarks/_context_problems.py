"""Cells in contexts: data sets of which the context of every cell is known, with what should be hard about them."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import anndata as ad
import numpy as np
import scanpy as sc
from anndata import AnnData

import cellot_sc as cs

from ._problems import of_variable_genes

FEW = (12, 25, 50, 100)
"""Cells of a context on either side to which it is thinned."""
PATIENTS = ("101", "1015", "1016", "1039", "107", "1244", "1256", "1488")


@dataclasses.dataclass(frozen=True)
class Side:
    """Control or treated cells with the code of the context, and of the unit, of each."""

    cells: np.ndarray
    contexts: np.ndarray
    units: np.ndarray

    def at(self, chosen: np.ndarray) -> Side:
        """Return some of the cells."""
        return Side(self.cells[chosen], self.contexts[chosen], self.units[chosen])

    def joined(self, other: Side) -> Side:
        """Return these cells and others."""
        fields = ("cells", "contexts", "units")
        return Side(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in fields))

    def moved(self, cells: np.ndarray) -> Side:
        """Return other cells in the same contexts."""
        return dataclasses.replace(self, cells=cells)


@dataclasses.dataclass(frozen=True)
class ContextTask:
    """Train cells of both sides, and test cells of the same conditions."""

    name: str
    contexts: list[str]
    source: Side
    target: Side
    source_test: Side
    target_test: Side


def folder() -> Path:
    """Return where the shared files are: in ``CELLOT_SC_TEST_DATA``, or beside the checkout."""
    return Path(os.environ.get("CELLOT_SC_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")


def chi11(seed: int) -> Iterator[tuple[str, str, ContextTask]]:
    """Four stimuli of eight populations of equal size: a fifth of the cells to judge by, equal and shifted."""
    adata = ad.read_h5ad(folder() / "chi11_stimuli.h5ad")
    x, conditions = np.asarray(adata.X, np.float32), adata.obs["stimulus"].astype(str).to_numpy()
    types = adata.obs["cell_type"].astype("category")
    names, codes = list(types.cat.categories), types.cat.codes.to_numpy().astype(int)
    for stimulus in ("A", "G", "L", "T"):
        rng = np.random.default_rng(seed)
        train, test = {}, {}
        for condition in ("U", stimulus):
            rows = np.nonzero(conditions == condition)[0]
            rows = rng.permutation(rows)
            is_test = np.zeros(len(rows), dtype=bool)
            for k in range(len(names)):
                is_test[np.nonzero(codes[rows] == k)[0][:20]] = True
            side = Side(x[rows], codes[rows], np.zeros(len(rows), dtype=int))
            train[condition], test[condition] = side.at(~is_test), side.at(is_test)
        equal = ContextTask(stimulus, names, train["U"], train[stimulus], test["U"], test[stimulus])
        yield stimulus, "equal", equal
        yield stimulus, "shifted", shifted(equal, rng)


def shifted(task: ContextTask, rng: np.random.Generator) -> ContextTask:
    """Thin odd contexts of treated train cells and even ones of control train cells to a quarter."""
    odd = [k for k in range(len(task.contexts)) if k % 2]
    even = [k for k in range(len(task.contexts)) if not k % 2]
    return dataclasses.replace(task, source=_quarter(task.source, even, rng), target=_quarter(task.target, odd, rng))


def _quarter(side: Side, contexts: Sequence[int], rng: np.random.Generator) -> Side:
    keep = np.ones(len(side.contexts), dtype=bool)
    for k in contexts:
        rows = np.nonzero(side.contexts == k)[0]
        keep[rng.choice(rows, len(rows) - len(rows) // 4, replace=False)] = False
    return side.at(keep)


def thinned(task: ContextTask, context: int, n_cells: int, rng: np.random.Generator) -> ContextTask:
    """Thin one context to so many train cells on either side."""
    sides = []
    for side in (task.source, task.target):
        rows = np.nonzero(side.contexts == context)[0]
        keep = np.ones(len(side.contexts), dtype=bool)
        keep[rng.choice(rows, max(len(rows) - n_cells, 0), replace=False)] = False
        sides.append(side.at(keep))
    return dataclasses.replace(task, source=sides[0], target=sides[1])


def kang_cells() -> AnnData:
    """Blood cells of eight patients, interferon beta: singlets, log1p of 10,000 counts a cell."""
    adata = ad.read_h5ad(folder() / "kang_harmony_scgen.h5ad")
    adata = adata[adata.obs["demuxlet"] == "SNG"].copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata


def kang(seed: int, holdout: dict[str, str] | None = None) -> ContextTask:
    """A random fifth of the cells to judge by, or one patient or type; genes and components of train cells."""
    return _represented(
        kang_cells(), "kang", "condition", "control", "cell_type", "patient", n_genes=1000, seed=seed, holdout=holdout
    )


def simulated(seed: int, holdout: dict[str, str] | None = None) -> ContextTask:
    """Five types, 2,000 cells a side, of which a fifth, or one type, is to judge by."""
    adata = cs.datasets.simulate(n_cells=4000, n_cell_types=5, perturbations=("drug",), seed=seed)
    return _represented(
        adata, "simulated", "perturbation", "control", "cell_type", "patient", seed=seed, holdout=holdout
    )


def held_out(task: ContextTask, context: int) -> ContextTask:
    """Return a task without the train cells of a context, all of whose cells are to judge by."""
    (source, source_test), (target, target_test) = (
        (
            train.at(train.contexts != context),
            train.at(train.contexts == context).joined(test.at(test.contexts == context)),
        )
        for train, test in ((task.source, task.source_test), (task.target, task.target_test))
    )
    return ContextTask(task.name, task.contexts, source, target, source_test, target_test)


def with_controls(task: ContextTask) -> ContextTask:
    """Return a task whose train cells include the control cells that are to be predicted."""
    return dataclasses.replace(task, source=task.source.joined(task.source_test))


def perturbench(seed: int) -> list[ContextTask]:
    """Nine genetic perturbations in four cell lines: the context is the line."""
    adata = ad.read_h5ad(folder() / "perturbench_devel.h5ad")
    lines = adata.obs.groupby("condition", observed=True)["cell_type"].nunique()
    adata = adata[adata.obs["condition"].isin(lines.index[lines > 1])].copy()
    labels = [name for name in adata.obs["condition"].unique() if name != "control"]
    whole = _split(adata, "condition", "control", ["cell_type"], seed)
    return [_task(whole, name, "condition", "control", name, "cell_type", None) for name in sorted(labels)]


def _represented(
    adata: AnnData,
    name: str,
    key: str,
    control: str,
    context: str,
    unit: str,
    *,
    n_genes: int | None = None,
    seed: int,
    holdout: dict[str, str] | None = None,
) -> ContextTask:
    adata = _split(adata, key, control, [context], seed, n_genes=n_genes, holdout=holdout)
    target = next(label for label in adata.obs[key].unique() if label != control)
    return _task(adata, name, key, control, target, context, unit)


def _split(
    adata: AnnData,
    key: str,
    control: str,
    strata: list[str],
    seed: int,
    *,
    n_genes: int | None = None,
    holdout: dict[str, str] | None = None,
) -> AnnData:
    # nothing is chosen by validation cells here
    fraction = 0.0 if holdout else 0.2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cs.pp.split(
            adata,
            key,
            control=control,
            seed=seed,
            test_fraction=fraction,
            valid_fraction=0.0,
            holdout=holdout,
            stratify_by=strata,
        )
        if n_genes is not None:
            adata = of_variable_genes(adata, n_genes)
        cs.pp.represent(adata)
    return adata


def _task(
    adata: AnnData, name: str, key: str, control: str, target: str, context: str, unit: str | None
) -> ContextTask:
    x, parts = adata.obsm["X_cellot"], adata.obs["split"].astype(str).to_numpy()
    labels = adata.obs[key].astype(str).to_numpy()
    types = adata.obs[context].astype("category")
    units = np.zeros(len(x), dtype=int) if unit is None else adata.obs[unit].astype("category").cat.codes.to_numpy()
    every = Side(np.asarray(x, np.float32), types.cat.codes.to_numpy().astype(int), units.astype(int))
    train, test = parts == "train", np.isin(parts, ("test", "ood"))
    return ContextTask(
        name,
        list(types.cat.categories),
        every.at((labels == control) & train),
        every.at((labels == target) & train),
        every.at((labels == control) & test),
        every.at((labels == target) & test),
    )

"""Where unperturbed cells come from: a count model, or the cells of a given AnnData."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import scipy.sparse as sp
from scipy.stats import poisson

from cellot_sc import _validate

if TYPE_CHECKING:
    from anndata import AnnData

COUNTS_PER_GENE = 10
"""Expected counts of a control cell, per gene; also the total that every cell is normalised to."""
TYPE_COLUMNS = ("cell_type", "bulk_labels", "louvain", "leiden")
"""Columns of a baseline AnnData in which cell types are looked for, in this order."""


@dataclass(frozen=True)
class Cells:
    """Unperturbed cells: who they are, and everything that is random about them."""

    types: np.ndarray
    """Index of the cell type of each cell, shape (n_cells,)."""
    patients: np.ndarray
    """Index of the patient of each cell, shape (n_cells,)."""
    state: np.ndarray
    """What they express before chance acts (rates), or what they were seen to express, shape (n_cells, n_genes)."""
    uniforms: np.ndarray | None = None
    """Quantile of the count of each cell and gene, shape (n_cells, n_genes)."""


class Population(Protocol):
    """A population that cells can be drawn from."""

    genes: list[str]
    cell_types: list[str]
    patients: list[str]
    abundance: np.ndarray
    """Share of each cell type, shape (n_cell_types,)."""
    mean_expression: np.ndarray
    """Mean expression of each gene in each cell type, shape (n_cell_types, n_genes)."""

    def draw(self, n_cells: int, rng: np.random.Generator) -> Cells:
        """Draw cells."""
        ...

    def express(self, cells: Cells, log_fold_change: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Return log1p expression and, where there are any, counts of cells under a log fold change of each gene."""
        ...


class CountPopulation:
    """Cells of a negative-binomial count model.

    The rate of gene g in cell c is ``library_c * gamma_cg * exp(base_g + type_kg + patient_pg + activity_c . loading_g)``
    and its count is the Poisson quantile of one uniform number at that rate, so that the same cell can be seen under
    another condition with its chance kept.

    Parameters
    ----------
    n_genes, n_cell_types, n_patients
        Sizes of the population.
    rng
        Draws what is fixed for the whole population.
    """

    def __init__(self, n_genes: int, n_cell_types: int, n_patients: int, rng: np.random.Generator) -> None:
        self.genes = _names("gene", n_genes)
        self.cell_types = _names("type", n_cell_types)
        self.patients = _names("patient", n_patients)
        self.abundance = np.full(n_cell_types, 1 / n_cell_types)
        self._library = COUNTS_PER_GENE * n_genes
        base = rng.normal(0, 1.6, n_genes)
        # each type has its own third of the genes, so that two types share some of what sets them apart from a third
        programme = rng.normal(0, 1.0, (n_cell_types, n_genes)) * (rng.random((n_cell_types, n_genes)) < 1 / 3)
        log_rate = base + programme
        # every type has the same total rate, as library size is drawn on its own
        self._log_rate = log_rate - np.log(np.exp(log_rate).sum(axis=1, keepdims=True))
        self._patient = rng.normal(0, 0.12, (n_patients, n_genes))
        self._loading = rng.normal(0, 0.25, (2, n_genes)) * (rng.random((2, n_genes)) < 1 / 4)
        self.mean_expression = np.exp(self._log_rate)

    def draw(self, n_cells: int, rng: np.random.Generator) -> Cells:
        """Draw cells, spread evenly over cell types and over the patients within each."""
        n_types, n_genes = self._log_rate.shape
        order = rng.permutation(n_cells)
        types = order % n_types
        patients = order // n_types % len(self.patients)
        library = self._library * rng.lognormal(0, 0.3, (n_cells, 1))
        activity = rng.standard_normal((n_cells, 2))
        log_rate = self._log_rate[types] + self._patient[patients] + activity @ self._loading
        dispersion = 0.1
        gamma = rng.gamma(1 / dispersion, dispersion, (n_cells, n_genes))
        return Cells(types, patients, library * gamma * np.exp(log_rate), rng.random((n_cells, n_genes)))

    def express(self, cells: Cells, log_fold_change: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Return log1p of counts normalised to :data:`COUNTS_PER_GENE` a gene, and the counts."""
        rate = cells.state if log_fold_change is None else cells.state * np.exp(log_fold_change)
        counts = poisson.ppf(cells.uniforms, rate)
        total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
        return np.log1p(counts * (self._library / total)).astype(np.float32), counts.astype(np.float32)


class SampledPopulation:
    """Cells drawn with replacement from an AnnData.

    Parameters
    ----------
    baseline
        Cells with log1p-normalised expression in ``X`` or, if ``X`` has negative values, in ``raw.X``.
    n_patients
        Patients to spread the cells over, where ``baseline.obs`` has no column ``patient``.

    Raises
    ------
    ValueError
        If there is no such expression, or a cell lacks a cell type or patient.
    """

    def __init__(self, baseline: AnnData, n_patients: int) -> None:
        x, genes = _validate.log_expression(baseline, what="baseline")
        self.genes = [str(g) for g in genes]
        self._x = sp.csr_array(x)
        column = next((c for c in TYPE_COLUMNS if c in baseline.obs), None)
        self.cell_types, self._types = ["all"], np.zeros(baseline.n_obs, dtype=np.int64)
        if column is not None:
            self.cell_types, self._types = _validate.categories(baseline, column, what="baseline")
        self.patients, self._patients = _names("patient", n_patients), None
        if "patient" in baseline.obs:
            self.patients, self._patients = _validate.categories(baseline, "patient", what="baseline")
        n_of_type = np.bincount(self._types, minlength=len(self.cell_types))
        self.abundance = n_of_type / n_of_type.sum()
        self.mean_expression = np.stack(
            [np.asarray(self._x[self._types == k].mean(axis=0)).ravel() for k in range(len(self.cell_types))]
        )

    def draw(self, n_cells: int, rng: np.random.Generator) -> Cells:
        """Draw cells with replacement."""
        rows = rng.integers(self._x.shape[0], size=n_cells)
        patients = rng.permutation(n_cells) % len(self.patients) if self._patients is None else self._patients[rows]
        return Cells(self._types[rows], patients, self._x[rows].toarray())

    def express(self, cells: Cells, log_fold_change: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the expression with its fold change, by which what was not seen stays unseen."""
        if log_fold_change is None:
            return cells.state.astype(np.float32), None
        changed = np.log1p(np.expm1(cells.state.astype(np.float64)) * np.exp(log_fold_change))
        # expm1 and log1p do not round back to the bit
        return np.where(log_fold_change == 0, cells.state, changed).astype(np.float32), None


def _names(stem: str, n: int) -> list[str]:
    width = len(str(n - 1))
    return [f"{stem}_{i:0{width}d}" for i in range(n)]

"""Where unperturbed cells come from: a count model, or the cells of a given AnnData."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.stats import poisson

from cellot_sc import _validate

from ._design import Mix, apportioned

if TYPE_CHECKING:
    from anndata import AnnData

COUNTS_PER_GENE = 20
"""Expected counts of a control cell, per gene; also what every cell is normalised to."""
TYPE_COLUMNS = ("cell_type", "bulk_labels", "louvain", "leiden")
"""Columns of a baseline AnnData in which cell types are looked for, in this order."""


def numbered(stem: str, n: int) -> list[str]:
    """Return names that sort as their numbers do."""
    width = len(str(n - 1))
    return [f"{stem}_{i:0{width}d}" for i in range(n)]


def log_normalised(counts: np.ndarray) -> np.ndarray:
    """Return log1p of counts normalised to :data:`COUNTS_PER_GENE` a gene, float32, shape ``(n_cells, n_genes)``."""
    scale = COUNTS_PER_GENE * counts.shape[1] / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.log1p(counts * scale).astype(np.float32)


@dataclass(frozen=True)
class Cells(ABC):
    """Unperturbed cells, with all that is random about them settled.

    Parameters
    ----------
    types
        Index of the cell type of each cell, shape ``(n_cells,)``.
    patients
        Index of the patient of each cell, shape ``(n_cells,)``.
    """

    types: np.ndarray
    patients: np.ndarray

    @abstractmethod
    def express(self, log_fold_change: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the log1p expression and, if there are any, the counts under a log fold change, all of one shape."""


@dataclass(frozen=True)
class Population(ABC):
    """A population that cells can be drawn from.

    Parameters
    ----------
    genes, cell_types, patients
        Their names.
    abundance
        Share of each cell type, shape ``(n_cell_types,)``.
    mean_expression
        Mean expression of each gene in each cell type, shape ``(n_cell_types, n_genes)``.
    patient_baseline
        What each patient adds to the log expression of each gene, 0 in the mean over patients, shape
        ``(n_patients, n_genes)``; ``None`` where patients do not differ.
    """

    genes: list[str]
    cell_types: list[str]
    patients: list[str]
    abundance: np.ndarray
    mean_expression: np.ndarray
    patient_baseline: np.ndarray | None

    def shares(self, mix: Mix) -> np.ndarray:
        """Return the share of each cell type and patient in a mix, shape ``(n_cell_types, n_patients)``; 0 if none."""
        shares = self.joint() * np.outer(mix.types, mix.patients)
        return shares / (shares.sum() or 1.0)

    def joint(self) -> np.ndarray:
        """Return the share of each cell type and patient, in any unit: every patient has all cell types."""
        return np.outer(self.abundance, np.ones(len(self.patients)))

    @abstractmethod
    def draw(self, n_cells: int, mix: Mix, rng: np.random.Generator) -> Cells:
        """Draw cells of a mix of cell types and patients."""


@dataclass(frozen=True)
class CountedCells(Cells):
    """Cells whose counts are Poisson quantiles, so that each can be seen elsewhere with its chance kept.

    Parameters
    ----------
    rates
        Expected count of each cell and gene, shape ``(n_cells, n_genes)``.
    quantiles
        Quantile of each count, shape ``(n_cells, n_genes)``.
    counts
        Counts without a perturbation, shape ``(n_cells, n_genes)``.
    """

    rates: np.ndarray
    quantiles: np.ndarray
    counts: np.ndarray

    def express(self, log_fold_change: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return log1p of counts normalised to :data:`COUNTS_PER_GENE` a gene, and the counts."""
        counts = self.counts.copy()
        changed = log_fold_change != 0
        counts[changed] = poisson.ppf(self.quantiles[changed], self.rates[changed] * np.exp(log_fold_change[changed]))
        return log_normalised(counts), counts.astype(np.float32)


@dataclass(frozen=True)
class CountPopulation(Population):
    """Counts: Poisson at the rate library_c gamma_cg exp(type_kg + patient_pg + activity_c . loading_g).

    Parameters
    ----------
    type_log_rate
        Log share of each gene in the counts of each cell type, shape ``(n_cell_types, n_genes)``.
    patient_log_rate
        What each patient adds to it, shape ``(n_patients, n_genes)``.
    loading
        What one unit of each of two activities within a type adds to it, shape ``(2, n_genes)``.
    """

    type_log_rate: np.ndarray
    patient_log_rate: np.ndarray
    loading: np.ndarray

    @classmethod
    def random(cls, n_genes: int, n_cell_types: int, n_patients: int, rng: np.random.Generator) -> CountPopulation:
        """Draw a population."""
        # clipped, so that no single gene takes a large part of all counts
        base = np.clip(rng.normal(0, 1.8, n_genes), -3.6, 3.6)
        # each type has its own third of the genes, so that any two types share most of the rest
        programme = rng.normal(0, 1.2, (n_cell_types, n_genes)) * (rng.random((n_cell_types, n_genes)) < 1 / 3)
        log_rate = base + programme
        # library size is drawn on its own, so every type gets the same total
        log_rate -= np.log(np.exp(log_rate).sum(axis=1, keepdims=True))
        patient_log_rate = rng.normal(0, 0.12, (n_patients, n_genes))
        return cls(
            genes=numbered("gene", n_genes),
            cell_types=numbered("type", n_cell_types),
            patients=numbered("patient", n_patients),
            abundance=np.full(n_cell_types, 1 / n_cell_types),
            mean_expression=np.exp(log_rate),
            patient_baseline=patient_log_rate - patient_log_rate.mean(axis=0),
            type_log_rate=log_rate,
            patient_log_rate=patient_log_rate,
            loading=rng.normal(0, 0.25, (2, n_genes)) * (rng.random((2, n_genes)) < 1 / 4),
        )

    def draw(self, n_cells: int, mix: Mix, rng: np.random.Generator) -> CountedCells:
        """Draw cells, spread as the mix says over cell types and over the patients within each."""
        groups = apportioned(self.shares(mix).T.ravel(), n_cells)[rng.permutation(n_cells)]
        patients, types = np.divmod(groups, len(self.cell_types))
        library = COUNTS_PER_GENE * len(self.genes) * rng.lognormal(0, 0.3, (n_cells, 1))
        activity = rng.standard_normal((n_cells, 2))
        log_rate = self.type_log_rate[types] + self.patient_log_rate[patients] + activity @ self.loading
        dispersion = 0.05
        rates = library * rng.gamma(1 / dispersion, dispersion, log_rate.shape) * np.exp(log_rate)
        quantiles = rng.random(rates.shape)
        return CountedCells(types, patients, rates, quantiles, poisson.ppf(quantiles, rates))


@dataclass(frozen=True)
class SampledCells(Cells):
    """Cells of an AnnData.

    Parameters
    ----------
    x
        Their log1p expression, shape ``(n_cells, n_genes)``.
    """

    x: np.ndarray

    def express(self, log_fold_change: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return log1p expression; a gene that was not seen in a cell stays unseen."""
        x = self.x.astype(np.float64)
        changed = log_fold_change != 0
        x[changed] = np.log1p(np.expm1(x[changed]) * np.exp(log_fold_change[changed]))
        return x.astype(np.float32), None


@dataclass(frozen=True)
class SampledPopulation(Population):
    """The cells of an AnnData, to be drawn with replacement.

    Parameters
    ----------
    x
        Log1p expression of the cells there are, shape ``(n_cells, n_genes)``.
    types
        Index of the cell type of each, shape ``(n_cells,)``.
    known_patients
        Index of the patient of each, shape ``(n_cells,)``.
    """

    x: sp.csr_array
    types: np.ndarray
    known_patients: np.ndarray | None

    @classmethod
    def of(cls, baseline: AnnData, n_patients: int) -> SampledPopulation:
        """Read the cells of ``baseline``, as :func:`cellot_sc.datasets.simulate` says.

        Raises
        ------
        ValueError
            If there is no log1p expression, or a cell lacks a cell type or patient.
        """
        x, genes = _validate.log_expression(baseline, what="baseline")
        x = sp.csr_array(x, dtype=np.float32)
        column = next((c for c in TYPE_COLUMNS if c in baseline.obs), None)
        cell_types, types = ["all"], np.zeros(baseline.n_obs, dtype=np.int64)
        if column is not None:
            cell_types, types = _validate.categories(baseline, column, what="baseline")
        patients, known_patients = numbered("patient", n_patients), None
        if "patient" in baseline.obs:
            patients, known_patients = _validate.categories(baseline, "patient", what="baseline")
        means = np.stack([np.asarray(x[types == k].mean(axis=0)).ravel() for k in range(len(cell_types))])
        patient_baseline = None
        if known_patients is not None:
            # beyond what the cell types that a patient has more of would add
            own = [
                np.asarray(x[of].mean(axis=0)).ravel() - means[types[of]].mean(axis=0)
                for of in (known_patients == p for p in range(len(patients)))
            ]
            patient_baseline = np.stack(own) - np.mean(own, axis=0)
        return cls(
            genes=[str(gene) for gene in genes],
            cell_types=cell_types,
            patients=patients,
            abundance=np.bincount(types) / types.size,
            mean_expression=means,
            patient_baseline=patient_baseline,
            x=x,
            types=types,
            known_patients=known_patients,
        )

    def joint(self) -> np.ndarray:
        """Return the share of each cell type and patient, in any unit: as there are cells, where patients are known."""
        if self.known_patients is None:
            return super().joint()
        joint = np.zeros((len(self.cell_types), len(self.patients)))
        np.add.at(joint, (self.types, self.known_patients), 1.0)
        return joint

    def draw(self, n_cells: int, mix: Mix, rng: np.random.Generator) -> SampledCells:
        """Draw cells, each as often as the mix says; patients that are not known are spread over them as it says."""
        known = self.known_patients
        factor = mix.types[self.types] * (1.0 if known is None else mix.patients[known])
        even = (factor == 1).all()
        rows = (
            rng.integers(factor.size, size=n_cells)
            if even
            else rng.choice(factor.size, n_cells, p=factor / factor.sum())
        )
        if known is None:
            patients = apportioned(mix.patients / mix.patients.sum(), n_cells)[rng.permutation(n_cells)]
        else:
            patients = known[rows]
        return SampledCells(self.types[rows], patients, self.x[rows].toarray())

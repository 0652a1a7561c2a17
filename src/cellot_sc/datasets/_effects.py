"""What a simulated perturbation does to each cell type and patient."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._populations import Cells, Population

INTERACTING = 0.1
"""Share of all genes on which two perturbations at once do not add up, in each cell type, if any."""

type Role = Literal["all_types", "one_type", "inert"]


@dataclass(frozen=True)
class Effect:
    """The effect of one perturbation.

    Parameters
    ----------
    perturbation, role
        Its name, and on whom it acts.
    log_fold_change
        Natural log fold change of the rate of each gene in each cell type, shape ``(n_cell_types, n_genes)``.
    patient_strength
        What the log fold changes are multiplied by in each patient, shape ``(n_patients,)``.
    deviation
        What is added to them in each patient, shape ``(n_patients, n_cell_types, n_genes)``, or ``None``.
    """

    perturbation: str
    role: Role
    log_fold_change: np.ndarray
    patient_strength: np.ndarray
    deviation: np.ndarray | None = None

    def of(self, cells: Cells) -> np.ndarray:
        """Return the log fold changes of given cells, shape (n_cells, n_genes)."""
        common = self.log_fold_change[cells.types] * self.patient_strength[cells.patients, None]
        return common if self.deviation is None else common + self.deviation[cells.patients, cells.types]


@dataclass(frozen=True)
class CombinedEffect:
    """The effect of two perturbations at once: the sum of theirs in log fold changes, and what is added to that.

    Parameters
    ----------
    perturbation
        What cells with both are called.
    first, second
        The two.
    at_rest
        That of the control, which is part of both.
    interaction
        What is added to the sum for each gene in each cell type, shape ``(n_cell_types, n_genes)``.
    """

    perturbation: str
    first: Effect
    second: Effect
    at_rest: Effect
    interaction: np.ndarray

    def of(self, cells: Cells) -> np.ndarray:
        """Return the log fold changes of given cells, shape (n_cells, n_genes)."""
        # each of the two departs from the control's own
        both = self.first.of(cells) + self.second.of(cells) - self.at_rest.of(cells)
        return both + self.interaction[cells.types]


def roles(perturbations: Sequence[str]) -> list[Role]:
    """Return the role of each perturbation: the last is inert, the one before acts on one type, the others on all."""
    if len(perturbations) == 1:
        return ["all_types"]
    general: list[Role] = ["all_types"] * (len(perturbations) - 2)
    return [*general, "one_type", "inert"]


def draw_effect(perturbation: str, role: Role, population: Population, rng: np.random.Generator) -> Effect:
    """Draw the effect of a perturbation on a population."""
    n_types, n_genes = population.mean_expression.shape
    log_fold_change = np.zeros((n_types, n_genes))
    strength = np.ones(len(population.patients))
    if role == "one_type":
        responder = int(np.argmax(population.abundance))
        genes = _expressed(population.mean_expression[responder], 0.2, rng)
        log_fold_change[responder, genes] = _signs(genes.size) * rng.uniform(1.0, 2.0, genes.size)
    elif role == "all_types":
        shared = _expressed(population.mean_expression.mean(axis=0), 0.1, rng)
        programme = _signs(shared.size) * rng.uniform(0.7, 1.5, shared.size)
        type_strength = rng.uniform(0.6, 1.4, (n_types,))
        for k in range(n_types):
            own = _expressed(population.mean_expression[k], 0.05, rng)
            log_fold_change[k, own] = _signs(own.size) * rng.uniform(0.7, 1.5, own.size)
            log_fold_change[k, shared] = type_strength[k] * programme
        strength = rng.lognormal(0, 0.15, strength.size)
    return Effect(perturbation, role, log_fold_change, strength)


def no_effect(name: str, population: Population) -> Effect:
    """Return that of a control."""
    return Effect(name, "inert", np.zeros(population.mean_expression.shape), np.ones(len(population.patients)))


def draw_effects(names: Sequence[str], population: Population, stream: np.random.SeedSequence) -> list[Effect]:
    """Draw the effects of all perturbations."""
    streams = stream.spawn(len(names))
    return [
        draw_effect(name, role, population, np.random.default_rng(own))
        for name, role, own in zip(names, roles(names), streams, strict=True)
    ]


def combined(
    pairs: Mapping[str, tuple[str, str]],
    at_rest: Effect,
    effects: Sequence[Effect],
    population: Population,
    *,
    interaction: float,
    stream: np.random.SeedSequence,
) -> list[CombinedEffect]:
    """Return the effects of two perturbations at once.

    Parameters
    ----------
    pairs
        The two by the label of cells with both.
    at_rest, effects
        The effect of the control, and of each perturbation alone.
    population
        The population.
    interaction
        What is added to the sum of log fold changes, up or down in turn, for :data:`INTERACTING` of the genes in each
        cell type.
    stream
        Source of which genes these are.
    """
    alone = {effect.perturbation: effect for effect in effects}
    made = []
    for (label, (first, second)), own in zip(pairs.items(), stream.spawn(len(pairs)), strict=True):
        rng, beyond = np.random.default_rng(own), np.zeros(population.mean_expression.shape)
        for k, mean in enumerate(population.mean_expression):
            genes = _expressed(mean, INTERACTING, rng)
            beyond[k, genes] = interaction * _signs(genes.size)
        made.append(CombinedEffect(label, alone[first], alone[second], at_rest, beyond))
    return made


def interactions(effects: Sequence[CombinedEffect], population: Population) -> pd.DataFrame:
    """Return what is added to the sums of log fold changes, where it is not 0."""
    tables = []
    for effect in effects:
        k, g = np.nonzero(effect.interaction)
        columns = {
            "perturbation": effect.perturbation,
            "first": effect.first.perturbation,
            "second": effect.second.perturbation,
            "cell_type": pd.array(population.cell_types, dtype="str")[k],
            "gene": pd.array(population.genes, dtype="str")[g],
            "log_fold_change": effect.interaction[k, g],
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def personal(
    effects: Sequence[Effect], population: Population, *, noise: float, slope: float, stream: np.random.SeedSequence
) -> list[Effect]:
    """Return the effects with a response of each patient's own.

    Parameters
    ----------
    effects
        What all patients share, that of the control, which is none, first.
    population
        Whose patients they are.
    noise
        Standard deviation between patients of the log fold change of each gene, the same in all cell types. Half of
        its variance lies in the control, so that patients with and without an inert perturbation are exchangeable.
    slope
        What the log fold change of genes that respond gains with each unit of the patient's baseline.
    stream
        Source of the noise.

    Raises
    ------
    ValueError
        If there is a slope, and patients do not differ.
    """
    baseline = population.patient_baseline
    if slope and baseline is None:
        raise ValueError("patient_slope needs patients who differ: baseline.obs['patient'] is missing.")
    n_patients, (n_types, n_genes) = len(population.patients), population.mean_expression.shape
    made = []
    for effect, own in zip(effects, stream.spawn(len(effects)), strict=True):
        deviation = np.zeros((n_patients, n_types, n_genes))
        if noise:
            deviation += noise / np.sqrt(2) * np.random.default_rng(own).standard_normal((n_patients, 1, n_genes))
        if baseline is not None:
            deviation += slope * baseline[:, None] * (effect.log_fold_change != 0)
        made.append(dataclasses.replace(effect, deviation=deviation))
    return made


def deviations(effects: Sequence[Effect], population: Population) -> pd.DataFrame:
    """Return what patients' log fold changes, of which the control's comes first, have beyond what all share."""
    control, *others = effects
    tables = []
    for effect in others:
        beyond = effect.deviation - control.deviation  # type: ignore[operator]
        p, k, g = np.nonzero(beyond)
        columns = {
            "perturbation": effect.perturbation,
            "cell_type": pd.array(population.cell_types, dtype="str")[k],
            "patient": pd.array(population.patients, dtype="str")[p],
            "gene": pd.array(population.genes, dtype="str")[g],
            "log_fold_change": beyond[p, k, g],
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def truth(effects: Sequence[Effect], population: Population) -> dict[str, pd.DataFrame]:
    """Return the tables of what was simulated."""
    responses, changes, patients = [], [], []
    for effect in effects:
        k, g = np.nonzero(effect.log_fold_change)
        n_changed = np.bincount(k, minlength=len(population.cell_types))
        responses.append(
            pd.DataFrame(
                {
                    "perturbation": effect.perturbation,
                    "cell_type": population.cell_types,
                    "responds": n_changed > 0,
                    "n_genes": n_changed,
                }
            )
        )
        changes.append(
            pd.DataFrame(
                {
                    "perturbation": effect.perturbation,
                    "cell_type": pd.array(population.cell_types, dtype="str")[k],
                    "gene": pd.array(population.genes, dtype="str")[g],
                    "log_fold_change": effect.log_fold_change[k, g],
                }
            )
        )
        patients.append(
            pd.DataFrame(
                {
                    "perturbation": effect.perturbation,
                    "patient": population.patients,
                    "strength": effect.patient_strength,
                }
            )
        )
    tables = {"responses": responses, "effects": changes, "patients": patients}
    return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}


def _expressed(mean_expression: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Choose a share of all genes among the upper half in expression, where a change can be seen."""
    n_genes = mean_expression.size
    upper = np.argsort(-mean_expression, kind="stable")[: max(1, n_genes // 2)]
    return rng.permutation(upper)[: max(1, round(share * n_genes))]


def _signs(n: int) -> np.ndarray:
    """Return +1 and -1 in turn."""
    return 1.0 - 2.0 * (np.arange(n) % 2)

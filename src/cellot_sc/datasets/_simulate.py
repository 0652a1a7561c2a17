"""Unpaired control and treated cells of which the true response is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from cellot_sc import _keys, _validate
from cellot_sc._numbers import is_real, shown
from cellot_sc._settings import logger

from . import _design, _effects
from ._memory import check_fits
from ._populations import Cells, CountPopulation, Population, SampledPopulation

LARGEST = 10.0
"""Beyond this, what patients or combinations add to log fold changes is more than counts can show."""


def simulate(
    n_cells: int = 2000,
    n_genes: int = 200,
    *,
    n_cell_types: int = 4,
    perturbations: Sequence[str] = ("drug_a", "drug_b"),
    n_patients: int = 4,
    baseline: AnnData | None = None,
    abundance: Mapping[str, Mapping[str, float]] | None = None,
    nested_patients: bool = False,
    patient_noise: float = 0.0,
    patient_slope: float = 0.0,
    combinations: Sequence[tuple[str, str]] = (),
    interaction: float = 0.0,
    seed: int = 0,
) -> AnnData:
    """Simulate unpaired control and treated cells, and the response that each control cell would have shown.

    Counts are negative binomial, as deep as those of a targeted panel. Genes differ in their base rate over three
    orders of magnitude, cell types in a third of the genes each, patients a little in all of them; cells of one type
    and patient still vary along two common programmes and in library size. The last perturbation is inert. The one
    before it changes only the most abundant cell type (the first of equals), a fifth of the genes up or down between
    e and e^2 fold. Every earlier one, and a perturbation that is alone, acts on all cell types by a shared programme,
    of which the strength differs between types and mildly between patients, and by genes of each type's own. Effects
    fall on well expressed genes.

    Control and treated cells are drawn independently, spread evenly over conditions, cell types and patients, unless
    ``abundance`` or ``nested_patients`` say otherwise. With the same ``seed`` and sizes other than ``n_cells``, the
    population and its responses are the same; what patients add to these does not change them.

    Parameters
    ----------
    n_cells
        Number of cells in total; control takes what cannot be divided evenly.
    n_genes
        Number of genes. Not used with ``baseline``.
    n_cell_types
        Number of cell types. Not used with ``baseline``.
    perturbations
        Names of the perturbations; their order decides what they do.
    n_patients
        Number of patients. Not used with a ``baseline`` that has ``obs["patient"]``.
    baseline
        Cells to draw, with replacement, in place of synthetic ones (so one of them may be among both the control and
        the treated cells). Read are: ``X`` or, if it has negative values, ``raw.X``, which must be log1p of normalised
        counts; the cell type from the first of ``obs["cell_type"]``, ``obs["bulk_labels"]``, ``obs["louvain"]`` and
        ``obs["leiden"]`` that exists (else one type, "all"); ``obs["patient"]`` if it exists. A log fold change f
        makes x into log1p(e^f expm1(x)).
    abundance
        Composition of the conditions: by condition, and by cell type or patient, what its share among the cells of the
        condition is multiplied by (1 where nothing is named) before shares are made to add to 1. Of 0, none is left.
        Counts follow shares as closely as whole numbers can; with ``baseline``, they are random.
    nested_patients
        Whether each patient has cells of one condition only, as animals do: the conditions take one patient after the
        other, in turn.
    patient_noise
        Standard deviation, between patients, of a part of the log fold change of every gene that is each patient's own,
        the same in all cell types, under every perturbation, also an inert one. Half of its variance is the control's:
        what is seen of a patient in either condition departs from its own level. So without an effect, conditions are
        alike but for chance, in the mean over patients and otherwise.
    patient_slope
        What the log fold change of a gene that responds gains with each unit by which the patient's own baseline, its
        log rate (with ``baseline``: its mean log1p expression beyond that of its cell types), lies above the mean over
        patients.
    seed
        Seed of the random numbers: the same seed gives the same cells to the bit.

    Returns
    -------
    AnnData
        ``X``: log1p of counts normalised to 20 per gene, float32 CSR.

        ``layers["counts"]``: counts, float32 CSR (not with ``baseline``).

        ``layers["counterfactual_<perturbation>"]``: for control cells, on the scale of ``X``, the state in which this
        very cell would have been seen under the perturbation (same latent state, library size and quantile of every
        count); rows of treated cells are NaN. Dense float32.

        ``obs``: ``perturbation`` (one of them is "control"), ``cell_type``, ``patient``.

        ``uns["simulation"]``: ``seed``, ``roles`` (``all_types``, ``one_type`` or ``inert`` by perturbation), and the
        tables ``responses`` (which cell types respond), ``effects`` (natural log fold change of the rate by
        perturbation, cell type and gene, where it is not 0) and ``patients`` (factor on these, by patient). With
        ``abundance`` or ``nested_patients`` also ``composition``: the expected share of each cell type and patient in
        each condition. With ``patient_noise`` or ``patient_slope`` also ``deviations``: what is added to the product of
        effect and factor in each patient, from control to counterfactual, where it is not 0. With ``combinations`` also
        ``interactions``: what is added to the sum of the ``first`` and the ``second`` log fold change by combination
        (``perturbation``), cell type and gene, where it is not 0; other tables have no rows of combinations but
        ``composition``.

    Raises
    ------
    ValueError
        If a size is not positive, there are fewer cells than groups of condition, cell type and patient (with
        ``baseline``: than conditions) or more than this machine has memory for, a name is repeated, empty, "control" or
        contains "/", the baseline does not hold log1p-normalised expression, ``abundance`` names what is not there or
        leaves a condition without cells, there are fewer nested patients than conditions, ``patient_noise`` is
        negative, a number is too large, ``patient_slope`` is wanted of a baseline without patients, or ``combinations``
        are no pairs of perturbations, or one is there twice.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(n_cells=300, n_genes=50)
    >>> adata.obs["perturbation"].value_counts().to_dict()
    {'control': 100, 'drug_a': 100, 'drug_b': 100}
    >>> adata.uns["simulation"]["roles"]
    {'drug_a': 'one_type', 'drug_b': 'inert'}

    Fewer cells of a type after a drug, and donors who differ in how they respond:

    >>> adata = cs.datasets.simulate(300, 50, abundance={"drug_a": {"type_0": 0.25}}, patient_noise=0.3)
    >>> adata.obs.groupby("perturbation", observed=True)["cell_type"].value_counts().unstack().loc["drug_a"].to_dict()
    {'type_0': 8, 'type_1': 31, 'type_2': 31, 'type_3': 30}
    >>> sorted(adata.uns["simulation"])
    ['composition', 'deviations', 'effects', 'patients', 'responses', 'roles', 'seed']

    Two drugs at once, of which the log fold changes do not quite add up:

    >>> drugs = ("drug_a", "drug_b", "drug_c", "inert")
    >>> adata = cs.datasets.simulate(600, 50, perturbations=drugs, combinations=[("drug_a", "drug_b")], interaction=1.0)
    >>> adata.obs["perturbation"].cat.categories.tolist()
    ['control', 'drug_a', 'drug_b', 'drug_c', 'inert', 'drug_a+drug_b']
    >>> len(adata.uns["simulation"]["interactions"])
    20
    """
    names = _validate.new_names(perturbations, reserved=_keys.CONTROL, what="perturbations")
    for name in names:
        # a layer is named after it
        _validate.key(name, what="perturbation")
    sizes_given = {"n_cells": n_cells, "n_genes": n_genes, "n_cell_types": n_cell_types, "n_patients": n_patients}
    _check_numbers(sizes_given, patient_noise, {"patient_slope": patient_slope, "interaction": interaction})
    seed = _validate.seed(seed)
    pairs = _validate.pairs_to_simulate(combinations, names)
    conditions = [_keys.CONTROL, *names, *pairs]
    if not isinstance(baseline, AnnData | None):
        raise ValueError(f"baseline is a {type(baseline).__name__}; an AnnData is needed.")
    drawn_types = {} if baseline is not None else {"cell types": n_cell_types, "patients": n_patients}
    n_genes = n_genes if baseline is None else baseline.n_vars
    _check_size(n_cells, n_genes, {"conditions": len(conditions)} | drawn_types)

    # one stream for the population and one per purpose and condition, so that none depends on how much another draws
    population_stream, effect_stream, cell_stream, patient_stream = np.random.SeedSequence(seed).spawn(4)
    population: Population = (
        CountPopulation.random(n_genes, n_cell_types, n_patients, np.random.default_rng(population_stream))
        if baseline is None
        else SampledPopulation.of(baseline, n_patients)
    )
    at_rest, effects = (
        _effects.no_effect(_keys.CONTROL, population),
        _effects.draw_effects(names, population, effect_stream),
    )
    if patient_noise or patient_slope:
        at_rest, *effects = _effects.personal(
            [at_rest, *effects], population, noise=patient_noise, slope=patient_slope, stream=patient_stream
        )
    both = _effects.combined(pairs, at_rest, effects, population, interaction=interaction, stream=effect_stream)
    every: list[_effects.Effect | _effects.CombinedEffect] = [*effects, *both]
    mixes = _design.mixes({} if abundance is None else abundance, conditions, population, nested=nested_patients)

    share, rest = divmod(n_cells, len(conditions))
    sizes = [share + rest, *[share] * len(every)]
    drawn = [
        population.draw(size, mix, np.random.default_rng(stream))
        for size, mix, stream in zip(sizes, mixes, cell_stream.spawn(len(conditions)), strict=True)
    ]
    control = drawn[0]
    seen = [cells.express(effect.of(cells)) for cells, effect in zip(drawn, [at_rest, *every], strict=True)]

    adata = _put_together(seen, _labels(drawn, conditions, population), population.genes)
    _add_counterfactuals(adata, control, every)
    roles = {effect.perturbation: effect.role for effect in effects}
    truth = {"seed": seed, "roles": roles, **_effects.truth(effects, population)}
    if abundance or nested_patients:
        truth["composition"] = _design.composition(mixes, conditions, population)
    if patient_noise or patient_slope:
        truth["deviations"] = _effects.deviations([at_rest, *effects], population)
    if both:
        truth["interactions"] = _effects.interactions(both, population)
    adata.uns[_keys.SIMULATION] = truth
    logger.info("simulated %d cells x %d genes: %s", *adata.shape, ", ".join(conditions))
    return adata


def _put_together(seen: Sequence[tuple[np.ndarray, np.ndarray | None]], obs: pd.DataFrame, genes: list[str]) -> AnnData:
    """Return the cells of all conditions, with their counts if there are any."""
    adata = AnnData(sp.csr_matrix(np.concatenate([x for x, _ in seen])), obs=obs, var=pd.DataFrame(index=genes))
    counts = [c for _, c in seen if c is not None]
    if counts:
        adata.layers["counts"] = sp.csr_matrix(np.concatenate(counts))
    return adata


def _add_counterfactuals(
    adata: AnnData, control: Cells, effects: Sequence[_effects.Effect | _effects.CombinedEffect]
) -> None:
    """Add what the control cells, which come first, would have been under each perturbation."""
    for effect in effects:
        layer = np.full(adata.shape, np.nan, dtype=np.float32)
        layer[: len(control.types)] = control.express(effect.of(control))[0]
        adata.layers[f"{_keys.COUNTERFACTUAL}_{effect.perturbation}"] = layer


def _check_numbers(sizes: Mapping[str, int], patient_noise: float, signed: Mapping[str, float]) -> None:
    """Raise :class:`ValueError` if a number is none, or has a wrong sign."""
    for what, size in sizes.items():
        _validate.whole(size, 1, what=what)
    _validate.positive(patient_noise, what="patient_noise", or_zero=True, most=LARGEST)
    for what, value in signed.items():
        if not is_real(value) or not abs(value) <= LARGEST:
            raise ValueError(f"{what} is {shown(value)}; a number from -{LARGEST:g} to {LARGEST:g} is needed.")


def _check_size(n_cells: int, n_genes: int, groups: Mapping[str, int]) -> None:
    """Raise :class:`ValueError` if there are fewer cells than groups, or more than fit into memory."""
    why = "one for each of " + " x ".join(f"{n} {what}" for what, n in groups.items())
    _validate.at_least(n_cells, math.prod(groups.values()), what="n_cells", why=why)
    # rates, quantiles and counts of every cell, and a layer for every perturbation
    n_bytes = 3 * 8 + 4 * (groups["conditions"] - 1)
    check_fits(n_bytes * n_cells * n_genes, {"n_cells": n_cells, "n_genes": n_genes})


def _labels(drawn: Sequence[Cells], conditions: list[str], population: Population) -> pd.DataFrame:
    """Return condition, cell type and patient of the cells, which are drawn condition by condition."""
    sizes = [len(cells.types) for cells in drawn]
    return pd.DataFrame(
        {
            _keys.PERTURBATION: pd.Categorical(np.repeat(conditions, sizes), categories=conditions),
            "cell_type": _categorical([cells.types for cells in drawn], population.cell_types),
            "patient": _categorical([cells.patients for cells in drawn], population.patients),
        },
        index=[f"cell_{i}" for i in range(sum(sizes))],
    )


def _categorical(codes: list[np.ndarray], categories: list[str]) -> pd.Categorical:
    labels = np.array(categories, dtype=object)[np.concatenate(codes)]
    return pd.Categorical(labels, categories=[name for name in categories if name in set(labels)])

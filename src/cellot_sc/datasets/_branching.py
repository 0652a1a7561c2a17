"""A branching time course of which the fate of every cell is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from cellot_sc import _keys, _validate
from cellot_sc._settings import logger

from ._populations import COUNTS_PER_GENE, log_normalised, numbered

CELLS_PER_CLONE = 6
"""Cells that share a barcode, on average over the whole time course."""
KINSHIP = 0.8
"""Share of the variance of states that lies between clones."""
DISTANCE = 4.0
"""How far cells of different fates have moved in the end, in standard deviations of the states that they come from."""
LEANING = 0.5
"""What favours the first fate over the next, and so on, in the same unit."""
PROGENITOR = "progenitor"


def simulate_branching(
    n_cells: int = 2000,
    n_genes: int = 60,
    *,
    n_times: int = 3,
    fates: Sequence[str] = ("fate_a", "fate_b", "fate_c"),
    growth: Mapping[str, float] | None = None,
    seed: int = 0,
) -> AnnData:
    """Simulate cells that mature from one progenitor state into several fates, with the fate of each known.

    Progenitors lie in one cloud, without gaps, and the fate of a cell follows from where in it the cell is. On the way,
    all cells mature alike, and those of every fate move into a direction of their own, so that in the end there is a
    cluster for each. The fates divide the cloud of progenitors as an optimal transport map would, into parts that are
    not equally large: the first has the most. Different cells are taken at every time. Cells of a clone come from
    nearby states, and most of them have one fate. Counts are Poisson with over-dispersion.

    Parameters
    ----------
    n_cells
        Number of cells, the same at every time; the first takes what cannot be divided evenly.
    n_genes
        Number of genes.
    n_times
        Number of times: 0, 1, 2, ...
    fates
        Names of the fates.
    growth
        By fate, the expected number of descendants of a cell after one unit of time, 1 where a fate is not named. The
        share of a fate among the cells of a time grows with it.
    seed
        Seed of the random numbers: the same seed gives the same cells to the bit.

    Returns
    -------
    AnnData
        ``X``: log1p of counts normalised to 20 per gene, float32 CSR.

        ``layers["counts"]``: counts, float32 CSR.

        ``obs``: ``time``; ``fate``, what the cell is or will be; ``cell_type``, what can be seen of that: "progenitor"
        in the first half of the time course, then the fate; ``growth``, the descendants per unit of time of cells of
        that fate.

        ``obsm["X_clone"]``: which cells belong to which clone, bool CSR of shape (n_cells, n_clones).

        ``uns["simulation"]``: ``seed``, and the table ``growth`` by fate.

    Raises
    ------
    ValueError
        If a number is not positive, there is one time only or fewer cells than times, a fate's name is repeated, empty,
        "progenitor" or contains "/", or ``growth`` names an unknown fate.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_branching(400, 30, growth={"fate_a": 2})
    >>> adata.obs["time"].value_counts(sort=False).to_dict()
    {0: 134, 1: 133, 2: 133}
    """
    names = _validate.new_names(fates, reserved=PROGENITOR, what="fates")
    for what, size in {"n_cells": n_cells, "n_genes": n_genes, "n_times": n_times}.items():
        _validate.whole(size, 1, what=what)
    _validate.at_least(n_times, 2, what="n_times", why="a course has a beginning and an end")
    _validate.at_least(n_cells, n_times, what="n_cells", why="one for each time")
    for name, rate in (growth or {}).items():
        _validate.one_of(name, names, what="fate of growth")
        _validate.positive(rate, what=f"growth of {name!r}")
    rates = np.array([float((growth or {}).get(name, 1)) for name in names])
    rng = np.random.default_rng(_validate.seed(seed))

    share, rest = divmod(n_cells, n_times)
    sizes = [share + rest, *[share] * (n_times - 1)]
    time = np.repeat(np.arange(n_times), sizes)
    angles = 2 * np.pi * np.arange(len(names)) / len(names)
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    n_clones = max(1, n_cells // CELLS_PER_CLONE)
    founders = rng.normal(size=(n_clones, 2))
    drawn = [_draw(founders, directions, size, rates**t, rng) for t, size in enumerate(sizes)]
    state, fate, clone = (np.concatenate(parts) for parts in zip(*drawn, strict=True))

    # cells of one time are not all equally far
    progress = np.maximum(time + rng.normal(0, 0.15, n_cells), 0)[:, None] / (n_times - 1)
    place = state + DISTANCE * progress * directions[fate]
    base, maturation = np.clip(rng.normal(0, 1, n_genes), -2, 2), rng.normal(0, 0.5, n_genes)
    log_rate = base + progress * maturation + place @ rng.normal(0, 0.5, (2, n_genes))
    log_rate += rng.normal(size=(n_cells, 2)) @ rng.normal(0, 0.2, (2, n_genes))
    share_of_gene = np.exp(log_rate) / np.exp(log_rate).sum(axis=1, keepdims=True)
    library = COUNTS_PER_GENE * n_genes * rng.lognormal(0, 0.3, (n_cells, 1))
    dispersion = 0.05
    counts = rng.poisson(library * share_of_gene * rng.gamma(1 / dispersion, dispersion, share_of_gene.shape))

    seen = np.where(time < n_times / 2, len(names), fate)
    adata = AnnData(
        sp.csr_matrix(log_normalised(counts)),
        obs=pd.DataFrame(
            {
                _keys.TIME: time,
                _keys.FATE: pd.Categorical(np.array(names, dtype=object)[fate], categories=names),
                "cell_type": pd.Categorical(
                    np.array([*names, PROGENITOR], dtype=object)[seen], categories=[*names, PROGENITOR]
                ),
                "growth": rates[fate],
            },
            index=[f"cell_{i}" for i in range(n_cells)],
        ),
        var=pd.DataFrame(index=numbered("gene", n_genes)),
        layers={"counts": sp.csr_matrix(counts.astype(np.float32))},
    )
    barcodes = (np.ones(n_cells, dtype=bool), (np.arange(n_cells), clone))
    adata.obsm[_keys.CLONE] = sp.csr_matrix(barcodes, shape=(n_cells, n_clones))
    table = pd.DataFrame({_keys.FATE: names, "growth": rates})
    adata.uns[_keys.SIMULATION] = {"seed": int(seed), "growth": table}
    logger.info("simulated %d cells x %d genes at %d times: %s", *adata.shape, n_times, ", ".join(names))
    return adata


def _draw(
    founders: np.ndarray, directions: np.ndarray, n_cells: int, abundance: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw progenitors of the cells of one time: the state of each, shape ``(n_cells, 2)``, its fate and its clone.

    Parameters
    ----------
    founders
        State of the founder of every clone, shape ``(n_clones, 2)``.
    directions
        Into which the cells of every fate move, shape ``(n_fates, 2)``.
    n_cells
        Number of cells.
    abundance
        How often a cell of every fate is met with, relative to a progenitor, shape ``(n_fates,)``.
    rng
        Where random numbers come from.
    """
    n_drawn = 20 * n_cells
    clone = rng.integers(len(founders), size=n_drawn)
    state = np.sqrt(KINSHIP) * founders[clone] + np.sqrt(1 - KINSHIP) * rng.normal(size=(n_drawn, 2))
    # parts of the plane that maximise an affine function each: the cells of a semi-discrete transport problem
    fate = np.argmax(state @ directions.T - LEANING * np.arange(len(directions)), axis=1)
    chance = abundance[fate] / abundance[fate].sum()
    taken = rng.choice(n_drawn, n_cells, replace=False, p=chance)
    return state[taken], fate[taken], clone[taken]

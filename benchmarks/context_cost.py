"""What eight contexts cost beside one pooled map: CPU seconds, fits in turn, their median.

100,000 simulated cells in 50 dimensions, of which half are treated: the affine maps from arrays and from an AnnData,
and, of fewer cells, the default solver with a network in each context beside the pooled fit and one fit per context.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

import cellot_sc as cs
from cellot_sc import ot

from . import _output
from ._context_models import VALID_SHARE, problem_of
from .context_networks import large

N_CONTEXTS, N_DIMS = 8, 50


def run(argv: Sequence[str]) -> int:
    """Measure, and write the table."""
    parser = _output.parser("context-cost", __doc__)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--networks", type=int, default=0, help="train cells to which networks are fitted, too")
    given = parser.parse_args(argv)
    cs.settings.verbosity = "warning"
    adata = simulated(given.cells)
    # apart, since a fit that takes long leaves the next one a cold cache
    found = {
        f"{kind}{', what unseen contexts do is chosen' * unseen}": compared(fits(adata, unseen=unseen), given.rounds)
        for unseen in (False, True)
        for kind, fits in (("Arrays", arrays), ("AnnData", anndata))
    }
    if given.networks:
        found["Networks"] = compared(networks(given.networks), 1)
    _output.write("context-cost", given.out, found)
    return 0


def simulated(n_cells: int) -> ad.AnnData:
    """Return types that lie apart, half of their cells shifted and stretched."""
    rng = np.random.default_rng(0)
    scales = 3 * np.arange(1, N_DIMS + 1) ** -0.5
    types, treated = rng.integers(N_CONTEXTS, size=n_cells), rng.integers(2, size=n_cells)
    means = rng.normal(size=(N_CONTEXTS, N_DIMS)) * 2 * scales
    x = means[types] + (rng.normal(size=(n_cells, N_DIMS)) * (1 + 0.2 * treated[:, None]) + treated[:, None]) * scales
    obs = {
        "perturbation": pd.Categorical(np.array(["control", "drug"])[treated]),
        "cell_type": pd.Categorical([f"type {k}" for k in types]),
        "split": pd.Categorical(np.where(rng.random(n_cells) < 0.1, "valid", "train")),
    }
    names = [f"cell {i}" for i in range(n_cells)]
    return ad.AnnData(x.astype(np.float32), obs=pd.DataFrame(obs, index=names))


def arrays(adata: ad.AnnData, *, unseen: bool) -> dict[str, Callable[[], object]]:
    """Return the fits from arrays."""
    x, types = np.asarray(adata.X), adata.obs["cell_type"].cat.codes.to_numpy().astype(np.int64)
    treated = (adata.obs["perturbation"] == "drug").to_numpy()
    codes = {"source_contexts": types[~treated], "target_contexts": types[treated]}
    patients = np.random.default_rng(1).integers(N_CONTEXTS, size=len(x))
    nested = {
        name: np.column_stack([of, patients[rows]])
        for (name, of), rows in zip(codes.items(), (~treated, treated), strict=True)
    }
    pooled, typed, both = (ot.Problem(x[~treated], x[treated], **given) for given in ({}, codes, nested))

    def fit(problem: ot.Problem, solver: str, **options: Any) -> Callable[[], object]:
        return lambda: ot.fit([problem], solver, **options)

    return {
        "gaussian": fit(pooled, "gaussian"),
        "group_shift, 8 contexts": fit(typed, "group_shift"),
        "group_gaussian, 8 contexts": fit(typed, "group_gaussian", unseen=unseen),
        "group_gaussian, 8 x 8 contexts": fit(both, "group_gaussian", unseen=unseen),
    }


def anndata(adata: ad.AnnData, *, unseen: bool) -> dict[str, Callable[[], object]]:
    """Return the fits by ``tl.cellot``."""

    def fit(solver: str, **options: Any) -> Callable[[], object]:
        return lambda: cs.tl.cellot(adata, use_rep="X", solver=solver, **options)

    return {
        "gaussian": fit("gaussian"),
        "group_gaussian, 8 contexts": fit("group_gaussian", context="cell_type", unseen=unseen),
    }


def networks(n_cells: int) -> dict[str, Callable[[], object]]:
    """Return the fits of the default solver, all of whose contexts need a network."""
    typed = problem_of(large(0, n_cells, n_types=N_CONTEXTS), valid_share=VALID_SHARE)
    own = [_only(typed, k) for k in range(N_CONTEXTS)]
    return {
        "pooled": lambda: ot.fit([typed.pooled]),
        "8 contexts": lambda: ot.fit([typed]),
        "8 single fits": lambda: [ot.fit([one]) for one in own],
    }


def _only(problem: ot.Problem, code: int) -> ot.Problem:
    sides = ("source", "target", "source_valid", "target_valid")
    return ot.Problem(
        **{side: getattr(problem, side)[getattr(problem, f"{side}_contexts")[:, 0] == code] for side in sides}
    )


def compared(fits: Mapping[str, Callable[[], object]], rounds: int) -> pd.DataFrame:
    """Return the median of the CPU seconds of each fit, after one that does not count, and its ratio to the first."""
    seconds = []
    for turn in range(rounds + 1):
        for name, fit in fits.items():
            start = time.process_time()
            fit()
            if turn:
                seconds.append((name, time.process_time() - start))
    table = pd.DataFrame(seconds, columns=["fit", "CPU s"]).groupby("fit", sort=False).median().reset_index()
    return table.assign(ratio=table["CPU s"] / table["CPU s"].iloc[0])

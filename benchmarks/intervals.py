"""How often the mean response of a patient that was left out lies in its interval, feature by feature and type by type.

The interval is that of the prediction, the sampling error of the observed mean added: nine in ten should hold it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.stats import t as student

import cellot_sc as cs

from . import _output
from ._context_problems import kang_cells
from ._problems import of_variable_genes

MIN_CELLS = 10
WANTED, ALLOWED = 0.9, (0.85, 0.95)


def run(argv: Sequence[str]) -> int:
    """Measure, write the table, and return 1 if a limit is missed."""
    parser = _output.parser("intervals", __doc__)
    parser.add_argument("--solver", default="group_gaussian")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.1, 0.3], help="of donors, in the simulations")
    given = parser.parse_args(argv)
    sets: dict[str, tuple[AnnData, dict[str, str], int | None, int]] = {
        "kang": (kang_cells(), {"perturbation_key": "condition", "control": "control"}, 1000, 50)
    }
    # components that hold most of what patients differ in, and so few that they do not
    for (n_cells, n_genes, n_components), noise in product(((6400, 200, 50), (3200, 60, 10)), given.noise):
        donors = cs.datasets.simulate(
            n_cells, n_genes, n_patients=8, perturbations=("drug",), patient_noise=noise, seed=0
        )
        sets[f"simulated, {n_components} of {n_genes}, noise {noise:g}"] = (donors, {}, None, n_components)
    rows = [row for name, of in sets.items() for row in _covered(name, *of, solver=given.solver)]
    table = pd.DataFrame(rows)
    means = (
        table.groupby(["set", "features"], sort=False)[["held", "held by sampling error alone"]].mean().reset_index()
    )
    low, high = ALLOWED
    genes = means["features"] == "genes"
    means["within limits"] = np.where(genes, np.where(means["held"].between(low, high), "yes", "no"), "-")
    by_type = table.groupby(["set", "features", "type"], sort=False)["held"].mean().unstack("type").reset_index()
    _output.write("intervals", given.out, {f"Intervals of {WANTED:.0%}": means, "Of each type": by_type})
    return int("no" in set(means["within limits"]))


def _covered(
    name: str, whole: AnnData, labels: dict[str, str], n_genes: int | None, n_components: int, *, solver: str
) -> Iterator[dict[str, object]]:
    key, control = labels.get("perturbation_key", "perturbation"), labels.get("control", "control")
    target = next(str(label) for label in whole.obs[key].unique() if label != control)
    patients = whole.obs["patient"].unique()
    for patient in patients:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cs.pp.split(
                whole, key, control=control, holdout={"patient": patient}, test_fraction=0.0, valid_fraction=0.0
            )
            # genes and components are those of the others
            adata = whole.copy() if n_genes is None else of_variable_genes(whole, n_genes)
            cs.pp.represent(adata, n_components=n_components)
            cs.tl.cellot(adata, **labels, targets=target, solver=solver, context=["cell_type", "patient"])
        own = (adata.obs["patient"] == patient).to_numpy()
        for kind in adata.obs["cell_type"].unique():
            of_kind = own & (adata.obs["cell_type"] == kind).to_numpy()
            before, after = (
                np.flatnonzero(of_kind & (adata.obs[key] == label).to_numpy()) for label in (control, target)
            )
            if min(len(before), len(after)) < MIN_CELLS:
                continue
            for features in ("genes", "dimensions"):
                decode = features == "genes"
                moved = cs.tl.predict(adata, target, cells=before, decode=decode, uncertainty=True)
                cells = adata.X if decode else adata.obsm["X_cellot"]
                x, y = (
                    np.asarray(of.todense() if hasattr(of, "todense") else of) for of in (cells[before], cells[after])
                )
                start = cs.pp.decode(adata, adata.obsm["X_cellot"][before]) if decode else x
                sampled = x.var(axis=0, ddof=1) / len(x) + y.var(axis=0, ddof=1) / len(y)
                error = np.abs(y.mean(axis=0) - x.mean(axis=0) - (moved.X - start).mean(axis=0))
                between = moved.layers["sd"].mean(axis=0) ** 2
                # as certain as so few patients tell, and so many cells (Satterthwaite 1946)
                share = between / np.maximum(between + sampled, 1e-12)
                wide = student.ppf(0.5 + WANTED / 2, (len(patients) - 2) / np.maximum(share, 1e-3) ** 2)
                sd = np.sqrt(between + sampled)
                # genes that no cell has tell nothing
                known = sampled > 0
                yield {
                    "set": name, "features": features, "type": kind, "patient": patient,
                    "held": (error < wide * sd)[known].mean(),
                    "held by sampling error alone": (error < 1.645 * np.sqrt(sampled))[known].mean(),
                }  # fmt: skip

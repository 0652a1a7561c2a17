"""The problems that peers are compared on: Kang's cells split at random and patient by patient, simulated regimes."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator
from typing import Any

from anndata import AnnData

import cellot_sc as cs

from ._context_problems import PATIENTS, kang_cells
from ._problems import SPLIT, of_variable_genes

N_CELLS = 2500
"""Of a simulated regime, both conditions together."""
REGIMES: dict[str, dict[str, Any]] = {
    "equal": {},
    "abundance": {"abundance": {"drug": {"type_0": 0.25, "type_1": 2.0}}},
    "patients": {"patient_noise": 0.3, "patient_slope": 0.3, "n_patients": 6},
    "one_type": {"perturbations": ("drug", "inert")},
}
"""Equal composition; shifted abundance; patients with effects of their own, one left out; one type that responds."""
UNSEEN = "patient_0"
"""The simulated patient left out."""


@dataclasses.dataclass(frozen=True)
class PeerProblem:
    """What is split how, and the seeds of fits.

    ``part`` is the part of the split that is predicted and judged.
    """

    family: str
    name: str
    seeds: tuple[int, ...] = (0,)
    split: int = 0
    holdout: str | None = None

    @property
    def place(self) -> str:
        """Folder of its fits."""
        return f"{self.family}/{self.name}"

    @property
    def key(self) -> str:
        """Column of the perturbation."""
        return "perturbation" if self.family == "simulated" else "condition"

    @property
    def target(self) -> str:
        """The perturbation."""
        return "drug" if self.family == "simulated" else "stimulated"

    @property
    def part(self) -> str:
        """Part of the split that is predicted and judged."""
        return "test" if self.holdout is None else "ood"

    def cells(self) -> AnnData:
        """Return the cells, split, with the genes and the principal components of train cells."""
        if self.family == "simulated":
            given = {"perturbations": ("drug",)} | REGIMES[self.name]
            n_cells = N_CELLS if len(given["perturbations"]) == 1 else N_CELLS * 3 // 2
            adata = cs.datasets.simulate(n_cells, seed=self.split, **given)
            adata = adata[adata.obs[self.key].isin(["control", self.target]).to_numpy()].copy()
            # X is the one without a name
            for layer in set(adata.layers) - {None}:
                del adata.layers[layer]
        else:
            adata = kang_cells()
        fractions = SPLIT if self.holdout is None else SPLIT | {"test_fraction": 0.0}
        holdout = None if self.holdout is None else {"patient": self.holdout}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cs.pp.split(adata, self.key, control="control", seed=self.split, holdout=holdout, **fractions)
            if self.family != "simulated":
                adata = of_variable_genes(adata, 1000)
            cs.pp.represent(adata)
        adata.uns.pop("provenance", None)
        return adata


def every() -> Iterator[PeerProblem]:
    """Yield the problems in the order in which a run that is cut off is of most use."""
    yield PeerProblem("iid", "split_0")
    first, *others = ("1015", *(name for name in PATIENTS if name != "1015"))
    for patient in (first, *others):
        yield PeerProblem("patient", patient, holdout=patient)
    for split in range(1, 5):
        yield PeerProblem("iid", f"split_{split}", split=split)
    for regime in REGIMES:
        yield PeerProblem("simulated", regime, holdout=UNSEEN if regime == "patients" else None)
    yield PeerProblem("iid", "split_0", seeds=(1, 2))

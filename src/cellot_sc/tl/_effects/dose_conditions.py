"""The perturbation and the dose of every cell as one label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from anndata import AnnData

from ... import _validate


@dataclass(frozen=True)
class Conditions:
    """What each cell was treated with.

    Parameters
    ----------
    perturbation_key, dose_key
        Columns of ``obs``.
    control
        The untreated category, or ``None``.
    perturbations
        That of every cell, as text.
    values
        The dose of every cell, 0 for untreated ones.
    unit
        Unit of the doses, empty if none was written.
    targets
        The perturbations in question.
    """

    perturbation_key: str
    dose_key: str
    control: str | None
    perturbations: np.ndarray
    values: np.ndarray
    unit: str
    targets: list[str]

    @classmethod
    def of(
        cls,
        adata: AnnData,
        perturbation_key: str,
        dose_key: str,
        control: str | None,
        targets: str | Sequence[str] | None,
    ) -> Self:
        """Read them; the errors are those of :func:`cellot_sc.tl.dose_response`."""
        if control is None:
            labels = _validate.complete(adata, perturbation_key, what="perturbation_key")
            names = _validate.some_of(targets, sorted(set(labels)), what="target")
        else:
            otherwise = " Where no cell is untreated, control=None starts from the lowest dose of each perturbation."
            labels, control = _validate.perturbation_labels(adata, perturbation_key, control, otherwise=otherwise)
            names = _validate.targets(labels, control, targets)
        values, unit = _validate.dose_values(adata, dose_key, labels == control)
        return cls(perturbation_key, dose_key, control, labels, values, unit, names)

    def label(self, name: str, dose: float) -> str:
        """Return what a perturbation at a dose is called: cells of dose 0 are the untreated ones, if there are any."""
        if dose == 0 and self.control is not None:
            return self.control
        return f"{name} {dose:.12g}{f' {self.unit}' if self.unit else ''}"

    @cached_property
    def labels(self) -> np.ndarray:
        """The label of every cell."""
        pairs, codes = np.unique(
            np.rec.fromarrays([self._codes, self.values], names="name,dose"), return_inverse=True
        )  # fmt: skip
        known = np.unique(self.perturbations)
        texts = [self.control if known[i] == self.control else self.label(known[i], dose) for i, dose in pairs]
        return np.array(texts, dtype=object)[codes]

    @property
    def names(self) -> list[str]:
        """All labels that there are."""
        return sorted(set(self.labels))

    def doses(self, name: str) -> dict[float, str]:
        """Return the labels of the doses of a perturbation by dose, the lowest first: the untreated cells at 0."""
        values = set(self.values[self.perturbations == name].tolist())
        if self.control is not None:
            values |= {0.0}
        return {dose: self.label(name, dose) for dose in sorted(values)}

    @property
    def _codes(self) -> np.ndarray:
        return np.unique(self.perturbations, return_inverse=True)[1]

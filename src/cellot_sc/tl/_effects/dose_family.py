"""Families of maps along dose: from untreated cells, or those of the lowest dose, to every other dose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _validate
from ...ot import TransportMap
from .._fit import store
from .dose_curves import Curves
from .dose_scatter import Scatter

FORMAT_VERSION = 2
TEXTS = ("perturbation_key", "dose_key", "unit", "condition_key")
"""What is kept as plain text."""


@dataclass(frozen=True)
class Family:
    """Maps from the cells that one perturbation starts from to each of its doses.

    Parameters
    ----------
    name
        The perturbation.
    doses
        Doses of the source and of the targets of the maps, increasing, shape ``(n_doses,)``.
    fitted
        The maps, in their order.
    fraction
        Mean fraction of the displacement at the highest dose, shape ``(n_doses, 1)``.
    means
        Means of the features, shape ``(n_doses, n_features)``.
    names
        Names of the features.
    lowest
        The lowest dose above 0 that there is, be it left out here.
    """

    name: str
    doses: np.ndarray
    fitted: store.FittedMaps
    fraction: Scatter
    means: Scatter
    names: list[str]
    lowest: float

    @property
    def labels(self) -> list[str]:
        """The condition at every dose."""
        return [self.fitted.fit.control, *self.fitted.fit.targets]

    @cached_property
    def progress(self) -> Curves:
        """The curve of the fraction of the displacement."""
        return Curves(self.doses, self.fraction, self.lowest)

    @cached_property
    def features(self) -> Curves:
        """The curves of the features."""
        return Curves(self.doses, self.means, self.lowest)

    def move(self, x: np.ndarray, contexts: np.ndarray | None, dose: float) -> np.ndarray:
        """Return where cells of the source are at a dose.

        Between two doses, cells are on the straight way from where one map takes them to where the other does. Beyond
        the highest or the lowest, they go on as the Hill curve of the displacement does, along the map to the highest.

        Parameters
        ----------
        x
            Cells, shape ``(n_cells, n_dims)``.
        contexts
            The context of each, if maps know any.
        dose
            The dose.
        """
        if dose in self.doses:
            return self._at(x, contexts, int(np.searchsorted(self.doses, dose)))
        if not self.doses[0] < dose < self.doses[-1]:
            start, end, there = self.progress.values(np.array([*self.doses[[0, -1]], dose]))[:, 0]
            part = (there - start) / (end - start) if end != start else float(dose > self.doses[-1])
            return _between(x, self._at(x, contexts, len(self.doses) - 1), part)
        before, after, part = self.progress.parts(dose)
        return _between(self._at(x, contexts, before), self._at(x, contexts, after), float(part[0]))

    def without(self, dose: int) -> Self:
        """Return the family without one of its doses, of which nothing is known then."""
        fit = self.fitted.fit
        targets = tuple(name for i, name in enumerate(fit.targets, 1) if i != dose)
        maps = {name: self.fitted.maps[name] for name in targets}
        return replace(
            self,
            doses=np.delete(self.doses, dose),
            fitted=replace(self.fitted, fit=replace(fit, targets=targets), maps=maps),
            fraction=self.fraction.without(dose),
            means=self.means.without(dose),
        )

    def adapted(self, adata: AnnData) -> Self:
        """Return the family with maps of contexts that were not seen, too; see :meth:`.Fit.adapted`."""
        return replace(self, fitted=self.fitted.adapted(adata))

    def state(self) -> dict[str, Any]:
        """Return what is kept: texts, arrays and dicts of them."""
        return {
            "name": self.name,
            "doses": self.doses,
            "lowest": self.lowest,
            "fit": store.state_of(self.fitted),
            "fraction": asdict(self.fraction),
            "means": asdict(self.means),
            "names": np.array(self.names, dtype=object),
        }

    @classmethod
    def read(cls, state: Mapping[str, Any]) -> Self:
        """Return the family of which this is the state."""
        scatters = {
            name: Scatter(*(np.asarray(state[name][field.name]) for field in fields(Scatter)))
            for name in ("fraction", "means")
        }
        doses = np.asarray(state["doses"], dtype=np.float64)
        family = cls(
            str(state["name"]),
            doses,
            store.read_state(state["fit"]),
            **scatters,
            names=[str(name) for name in state["names"]],
            lowest=float(state["lowest"]),
        )
        if len(family.names) != family.means.mean.shape[1]:
            raise ValueError(f"there are {len(family.names)} features, and {family.means.mean.shape[1]} means")
        if not len(doses) == len(family.labels) == len(family.means.mean) == len(family.fraction.mean):
            raise ValueError(f"there are {len(doses)} doses, and {len(family.labels)} conditions")
        return family

    def _at(self, x: np.ndarray, contexts: np.ndarray | None, dose: int) -> np.ndarray:
        return x if not dose else self._map(dose).transport(x, contexts)

    def _map(self, dose: int) -> TransportMap:
        return self.fitted.maps[self.labels[dose]]


@dataclass(frozen=True)
class Families:
    """What :func:`cellot_sc.tl.dose_response` keeps.

    Parameters
    ----------
    perturbation_key, dose_key
        Columns of ``obs``.
    unit
        Unit of the doses, empty if none was written.
    condition_key
        Column of ``obs`` with the perturbation and dose of each cell.
    families
        The family of every perturbation.
    curves
        The table.
    """

    perturbation_key: str
    dose_key: str
    unit: str
    condition_key: str
    families: Mapping[str, Family]
    curves: pd.DataFrame

    def state(self) -> dict[str, Any]:
        """Return what is kept."""
        return {
            "format_version": FORMAT_VERSION,
            **{name: getattr(self, name) for name in TEXTS},
            # the name of a perturbation may hold a character that no file takes for a key
            "families": {str(i): family.state() for i, family in enumerate(self.families.values())},
            "curves": self.curves.copy(),
        }


def load(adata: AnnData, key: str) -> Families:
    """Read families from ``adata.uns[key]``.

    Raises
    ------
    KeyError
        If there are none.
    ValueError
        If they cannot be read.
    """
    kept = _validate.kept_doses(adata, key, FORMAT_VERSION)
    try:
        read = [Family.read(kept["families"][str(i)]) for i in range(len(kept["families"]))]
        texts = {name: str(kept[name]) for name in TEXTS}
        return Families(**texts, families={family.name: family for family in read}, curves=kept["curves"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        return _validate.broken_fit(key, error)


def _between(before: np.ndarray, after: np.ndarray, part: float) -> np.ndarray:
    return (before + np.float32(part) * (after - before)).astype(np.float32)

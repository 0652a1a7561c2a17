"""What predictions at doses left out are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _defaults, _keys, _validate
from ...metrics import energy_distance
from .._fit.tables import keeper
from . import dose_family
from .dose_family import Families, Family
from .observed import sample

MODEL = "dose_response"
NEAREST, LOG_LINEAR, MIXTURE = "nearest_dose", "log_linear", "mixture"
"""What predictions are compared with."""


@_validate.takes_adata
def judge_doses(
    adata: AnnData,
    targets: str | Sequence[str] | None = None,
    *,
    key: str = _keys.DOSES,
    split: str = _keys.TEST,
    n_cells: int = 2000,
    seed: int = 0,
    key_added: str | None = None,
) -> pd.DataFrame:
    """Judge predictions at doses left out, beside those of simple rules.

    Each dose between the lowest and the highest of a perturbation is left out in turn: its map, its place on the curve
    and its means are not used. A dose without train cells, as :func:`cellot_sc.pp.split` holds it out, is predicted as
    it is. A representation that was made of cells of all doses has seen those left out.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`dose_response`.
    targets
        Perturbation or perturbations, all with ``None``.
    key
        Where in ``uns`` the maps are.
    split
        The split whose cells are moved and judged by. A dose held out has its cells in ``"ood"``: there, all other
        cells of what maps start from that are not train cells are moved.
    n_cells
        Of more cells on either side, a random sample is taken.
    seed
        Seed of the sample.
    key_added
        Where in ``uns`` the table is kept as well, so that files have it; nowhere with ``None``. What is there already
        has to be an older one of this function.

    Returns
    -------
    Tidy table with a row per perturbation, dose and model:

    - ``model``: ``"dose_response"``, as :func:`predict_dose` has it; ``"log_linear"``: the same with the way between
      the two doses around in proportion to log dose; ``"mixture"``: cells moved to either dose, in that proportion;
      ``"nearest_dose"``: moved to the nearest other dose, in logarithms; ``"identity"``: not moved; ``"observed"``:
      the ceiling, train cells of this dose, where it has any.
    - ``metric``, ``value``: the energy distance to the observed cells, in the space of the maps.
    - ``covered``: share of features whose mean over all cells of the dose, none of which was used, lies in the 90 %
      interval of :func:`predict_dose`, and
      ``width``: how wide that is, in standard deviations of cells of the source, the mean over features; of the first
      model only.
    - ``n_cells``: number of cells judged by.

    Raises
    ------
    KeyError
        If there are no maps to doses, or a column or the representation is missing.
    ValueError
        If a target or the split is unknown, ``n_cells`` is not positive, no dose can be left out, or too few cells are
        in the split.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_doses()
    >>> cs.tl.dose_response(adata, solver="gaussian", use_rep="X")
    >>> scores = cs.tl.judge_doses(adata, "drug_a").groupby("model")["value"].mean()
    >>> bool(scores["dose_response"] < scores["nearest_dose"])
    True
    """
    keep = keeper(adata, key_added, ("dose", "model", "covered", "width"))
    n_cells = _validate.whole(n_cells, 1, what="n_cells")
    rng = np.random.default_rng(_validate.seed(seed))
    kept = dose_family.load(adata, key)
    names = _validate.some_of(targets, kept.families, what="target")
    found: list[dict[str, Any]] = []
    for name in names:
        cells = _Cells.of(adata, kept, kept.families[name].adapted(adata), split, n_cells, rng)
        for dose in cells.inner:
            found += cells.judged(dose)
    if not found:
        raise ValueError(
            f"no dose of {', '.join(names)} can be judged: one between the lowest and the highest, with 2 cells in "
            f"split {split!r}, is needed."
        )
    return keep(pd.DataFrame(found))


@dataclass(frozen=True)
class _Cells:
    """Cells of one perturbation that are moved and judged by.

    Parameters
    ----------
    adata, family
        The cells, and the maps.
    doses
        Dose of every cell, NaN of those of other perturbations.
    parts
        The split of every cell.
    split, n_cells, rng
        As :func:`judge_doses` has them.
    """

    adata: AnnData
    family: Family
    doses: np.ndarray
    parts: np.ndarray
    split: str
    n_cells: int
    rng: np.random.Generator

    @classmethod
    def of(
        cls, adata: AnnData, kept: Families, family: Family, split: str, n_cells: int, rng: np.random.Generator
    ) -> Self:
        """Read which cells are of which dose."""
        fit = family.fitted.fit
        fit.judged(adata, split)
        labels, doses = fit.labels(adata), np.full(adata.n_obs, np.nan)
        doses[labels == fit.control] = family.doses[0]
        for label in set(labels):
            if label.startswith(f"{family.name} ") and label != fit.control:
                # no number is left of a perturbation whose name only begins like this one
                text = label.removeprefix(f"{family.name} ").removesuffix(f" {kept.unit}")
                doses[labels == label] = _validate.as_number(text)
        return cls(adata, family, doses, fit.parts(adata), split, n_cells, rng)

    @property
    def inner(self) -> list[float]:
        """Doses between the lowest and the highest with cells to judge by."""
        lowest, highest = self.family.doses[[0, -1]]
        inner = self.doses[(self.parts == self.split) & (self.doses > lowest) & (self.doses < highest)]
        found, counts = np.unique(inner, return_counts=True)
        return found[counts > 1].tolist()

    def judged(self, dose: float) -> list[dict[str, Any]]:
        """Return the scores of all models at a dose."""
        family, fit = self.family, self.family.fitted.fit
        if dose in family.doses:
            family = family.without(int(np.searchsorted(family.doses, dose)))
        here, space = self.doses == dose, fit.space(self.adata)
        judged, rows = self._drawn(here & (self.parts == self.split)), self._sources()
        x, contexts = space.read(rows), fit.contexts(self.adata, rows)
        clouds = {
            MODEL: family.move(x, contexts, dose),
            _defaults.IDENTITY: x,
            **self._controls(family, x, contexts, dose),
        }
        if len(learnt := self._drawn(here & (self.parts == _keys.TRAIN))):
            clouds[_keys.OBSERVED] = space.read(learnt)
        observed = fit.scaled(space.read(judged))
        row = {"perturbation": family.name, "dose": dose, "metric": energy_distance.__name__, "n_cells": len(judged)}
        covered, width = self._coverage(family, dose, here, space.observed())
        return [
            row
            | {
                "model": name,
                "value": energy_distance(fit.scaled(cloud), observed),
                "covered": covered if name == MODEL else np.nan,
                "width": width if name == MODEL else np.nan,
            }
            for name, cloud in clouds.items()
        ]

    def _controls(
        self, family: Family, x: np.ndarray, contexts: np.ndarray | None, dose: float
    ) -> dict[str, np.ndarray]:
        """Return where simple rules move cells: to the nearest dose, in proportion to log dose, or to either dose."""
        before, after, _ = family.progress.parts(dose)
        at = family.progress.decades(np.array([dose, *family.doses[[before, after]]]))
        part = np.float32((at[0] - at[1]) / (at[2] - at[1]))
        start, end = (family.move(x, contexts, family.doses[i]) for i in (before, after))
        return {
            NEAREST: start if part < 0.5 else end,
            LOG_LINEAR: start + part * (end - start),
            MIXTURE: np.where(self.rng.random((len(x), 1)) < part, end, start),
        }

    def _sources(self) -> np.ndarray:
        """Return the cells that are moved: those of the split, or any that were not learnt from where it has none."""
        source = self.doses == self.family.doses[0]
        of_split = source & (self.parts == self.split)
        others = source & ~np.isin(self.parts.astype(str), (_keys.TRAIN, _keys.VALID))
        rows = self._drawn(of_split if of_split.any() else others)
        _validate.cells_to_move(len(rows), self.family.name, split=self.split)
        return rows

    def _drawn(self, mask: np.ndarray) -> np.ndarray:
        rows = np.flatnonzero(mask)
        return rows if len(rows) <= self.n_cells else np.sort(self.rng.choice(rows, self.n_cells, replace=False))

    def _coverage(self, family: Family, dose: float, here: np.ndarray, x: Any) -> tuple[float, float]:
        """Return the share of observed means within their intervals, and the mean width of these."""
        low, high = family.features.interval(dose)
        mean = sample(x[here]).mean
        spread = np.sqrt(sample(x[self.doses == family.doses[0]]).variance)
        known = np.isfinite(low) & np.isfinite(mean) & (spread > 0)
        covered = (low <= mean) & (mean <= high)
        if not known.any():
            return np.nan, np.nan
        return float(covered[known].mean()), float(((high - low)[known] / spread[known]).mean())

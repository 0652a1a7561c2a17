"""Which way of putting two maps together comes nearest to the combinations that were observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _keys
from ...metrics import energy_distance
from .._fit.store import FittedMaps
from .combination_ways import RULES, SUM, Pair

N_CELLS = 2000
"""Of more cells of a condition than this, a random sample is compared."""
TIE = 1e-3
"""Share of the largest mean distance up to which means are alike; the sum, the first of the rules, is taken then."""


class Chosen(NamedTuple):
    """One of :data:`.RULES`, and the mean energy distance of each to other combinations, empty if there are none."""

    rule: str
    scores: dict[str, float]
    n_others: int

    @property
    def why(self) -> str:
        """Why it was chosen, in words."""
        if not self.n_others:
            return "no other combination was observed to choose by"
        values = ", ".join(f"{name} {value:.3g}" for name, value in self.scores.items())
        return f"nearest to {self.n_others} other combination{'s' * (self.n_others > 1)} ({values})"


@dataclass(frozen=True)
class Choice:
    """How near every rule comes to every combination with cells to learn from.

    Parameters
    ----------
    scores
        Energy distances, a row for each combination, a column for each of :data:`.RULES`.
    parts
        The two perturbations of each.
    """

    scores: pd.DataFrame
    parts: Mapping[str, tuple[str, str]]

    @classmethod
    def of(cls, adata: AnnData, fitted: FittedMaps, combinations: Mapping[str, tuple[str, str]]) -> Self:
        """Compare what the rules predict with train and validation cells of combinations.

        Parameters
        ----------
        adata
            The cells.
        fitted
            Maps of single perturbations, adapted to these cells.
        combinations
            The two perturbations of every combination, by its label.
        """
        fit, rows = fitted.fit, {}
        if combinations and fit.split_key in adata.obs:
            labels, learnt = fit.labels(adata), np.isin(fit.parts(adata).astype(str), (_keys.TRAIN, _keys.VALID))
            rng = np.random.default_rng(fit.seed)
            for name in (fit.control, *combinations):
                found = np.flatnonzero(learnt & (labels == name))
                rows[name] = found if len(found) <= N_CELLS else np.sort(rng.choice(found, N_CELLS, replace=False))
        judged = [name for name in combinations if len(rows.get(name, ())) > 1 and len(rows[fit.control]) > 1]
        table = pd.DataFrame(index=judged, columns=[*RULES], dtype=float)
        if judged:
            space = fit.space(adata)
            x, contexts = space.read(rows[fit.control]), fit.contexts(adata, rows[fit.control])
        for name in judged:
            first, second = (fitted.maps[part] for part in combinations[name])
            pair, observed = Pair(fit, first, second, x, contexts), fit.scaled(space.read(rows[name]))
            table.loc[name] = [energy_distance(fit.scaled(pair.moved(pair.way(rule))), observed) for rule in RULES]
        return cls(table, combinations)

    def for_pair(self, parts: tuple[str, str]) -> Chosen:
        """Return what is best in the mean over combinations of any but these two: the sum where there are none."""
        others = [name for name in self.scores.index if set(self.parts[name]) != set(parts)]
        if not others:
            return Chosen(SUM, {}, 0)
        scores = self.scores.loc[others].mean()
        best = scores.index[scores <= scores.min() + TIE * scores.abs().max()][0]
        return Chosen(str(best), {str(name): float(value) for name, value in scores.items()}, len(others))

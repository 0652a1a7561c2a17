"""How each figure is drawn from a file with fitted maps, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .. import _keys, pl, tl

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from ._tabulating import Tables


@dataclass(frozen=True)
class Drawn:
    """What figures are drawn of.

    Parameters
    ----------
    tables
        The cells, and the tables of the maps.
    split
        The cells to judge by, and to show.
    """

    tables: Tables
    split: str

    @property
    def adata(self) -> AnnData:
        """The cells."""
        return self.tables.adata

    @property
    def maps(self) -> dict[str, Any]:
        """Which maps."""
        return {"targets": self.tables.common["targets"], "key": self.tables.common["key"]}

    @property
    def groupby(self) -> str | None:
        """The column with the groups."""
        return self.tables.told["groupby"]

    @property
    def shown(self) -> dict[str, Any]:
        """Which maps, and which cells."""
        return self.maps | {"split": self.split}

    @cached_property
    def scores(self) -> pd.DataFrame:
        """How good the predictions are."""
        told = {"groupby": self.groupby, "unit": self.tables.told["unit"], "seed": self.tables.common["seed"]}
        return tl.evaluate(self.adata, **self.shown, **told)

    @cached_property
    def clustered(self) -> AnnData:
        """The cells with clusters of effects."""
        clustered = tl.effect_clusters(self.adata, **self.maps, seed=self.tables.common["seed"], copy=True)
        assert clustered is not None
        return clustered


def _trajectory(of: Drawn, **to: Any) -> None:
    if _keys.TRAJECTORY not in of.adata.uns:
        raise ValueError("the file holds no time course: call cellot-sc trajectory first.")
    pl.trajectory(of.adata, of.groupby, **to)


FIGURES: dict[str, Callable[..., Any]] = {
    "history": lambda of, **to: pl.history(of.adata, **of.maps, **to),
    "embedding": lambda of, **to: pl.embedding(of.adata, color=of.groupby, **of.shown, **to),
    "displacement": lambda of, **to: pl.displacement(of.adata, color=of.groupby, **of.shown, **to),
    "marginals": lambda of, **to: pl.marginals(of.adata, **of.shown, **to),
    "evaluation": lambda of, **to: pl.evaluation(of.scores, **to),
    "scorecard": lambda of, **to: pl.scorecard(of.scores, **to),
    "transport_cost": lambda of, **to: pl.transport_cost(of.tables["transport_cost"], **to),
    "responses": lambda of, **to: pl.responses(of.tables["signature"], **to),
    "effect_heatmap": lambda of, **to: pl.effect_heatmap(of.tables["signature"], **to),
    "subpopulation_effects": lambda of, **to: pl.subpopulation_effects(of.tables["subpopulation_effects"], **to),
    "volcano": lambda of, **to: pl.volcano(of.tables["subpopulation_effects"], **to),
    "perturbation_similarity": lambda of, **to: pl.perturbation_similarity(of.tables["perturbation_similarity"], **to),
    "effect_clusters": lambda of, **to: pl.effect_clusters(of.clustered, **of.maps, **to),
    "composition": lambda of, **to: pl.composition(of.clustered, of.groupby or "cell_type", **to),
    "spatial_effects": lambda of, **to: pl.spatial_effects(of.adata, **of.maps, **to),
    "dose_response": lambda of, **to: pl.dose_response(of.adata, **to),
    "trajectory": _trajectory,
    "fate": lambda of, **to: pl.fate(of.adata, **to),
}
"""Each figure but for those of what no file holds, such as clones."""

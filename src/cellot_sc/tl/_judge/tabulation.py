"""The table of scores: what becomes of judgements, wherever these were made."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ... import _defaults, _keys
from ..._settings import logger
from ...metrics import Metric
from ...metrics._bootstrap import interval
from ...metrics._units import ALPHA
from . import floors
from .judge import Judgement, Setting, discriminate
from .scores import Scores, UnitTest, summarise
from .summarize import summarize_scores

COLUMNS = [
    *("model", "metric", _keys.FLOOR, "perturbation", "group", "split", "compared", "seed"),
    *("n_features", "n_cells", "value", "ci_low", "ci_high"),
]
OF_UNITS = UnitTest._fields


@dataclass(frozen=True)
class Tabulation:
    """What the table is to know besides the judgements.

    Parameters
    ----------
    metrics
        The metrics.
    split
        The split that was judged.
    fit_seed
        Seed of the fit.
    n_models
        How many models were judged, with what stands in for a perfect one.
    unit
        Column of ``obs`` that was resampled and tested, or ``None`` if cells were.
    over_perturbations
        Whether there are rows with means over perturbations.
    n_boot, seed
        Number and seed of resamples.
    compared
        What kind of cells was compared.
    floor
        The control at which all calibrated scores are 0; ``None`` for the one that is best on validation cells.
    """

    metrics: list[Metric]
    split: str
    fit_seed: int
    n_models: int
    unit: str | None
    over_perturbations: bool
    n_boot: int
    seed: int
    compared: str
    floor: str | None = _defaults.IDENTITY

    def table(self, judgements: dict[str, Judgement]) -> pd.DataFrame:
        """Return the scores of all perturbations, and what compares or sums them up; see :func:`.evaluate`."""
        discriminate(judgements, self.metrics, self.n_boot)
        columns = COLUMNS if self.unit is None else [*COLUMNS, *OF_UNITS]
        at = dict.fromkeys((metric.name for metric in self.metrics), self.floor or _defaults.IDENTITY)
        if self.floor is None:
            at = floors.chosen(judgements, self.metrics)
        table = _scored(judgements, self.metrics, at)
        table = table.assign(split=self.split, compared=self.compared, seed=self.fit_seed)[columns]
        if self.unit is not None:
            _tell_untestable(table, self.unit)
        logger.info("evaluated %d perturbations on split %r: %d models", len(judgements), self.split, self.n_models)
        if self.over_perturbations:
            means = summarize_scores(table, _keys.PERTURBATION, n_boot=self.n_boot, seed=self.seed)
            table = pd.concat([table, means.assign(seed=self.fit_seed)[COLUMNS]], ignore_index=True)
        return table


def _tell_untestable(table: pd.DataFrame, unit: str) -> None:
    """Say in the log, once, where there are too few units for any p-value."""
    compared = table.dropna(subset="p_min").drop_duplicates(["perturbation", "group", "n_features"])
    missing = compared[compared["p_min"] >= ALPHA]
    if len(missing):
        least, most = int(missing["n_units"].min()), int(missing["n_units"].max())
        logger.warning(
            "%s units of obs[%r] cannot tell predicted from observed cells: no p-value could be below %.2g, and those "
            "of %d of %d comparisons are missing",
            *(least if least == most else f"{least} to {most}", unit, missing["p_min"].min()),
            *(len(missing), len(compared)),
        )


def _scored(judgements: dict[str, Judgement], metrics: list[Metric], at: dict[str, str]) -> pd.DataFrame:
    """Return the scores of all perturbations as rows."""
    tables = [
        _table(scores, setting, metrics, at).assign(perturbation=name)
        for name, judgement in judgements.items()
        for setting, scores in judgement.scores.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _table(scores: dict[str, Scores], setting: Setting, metrics: list[Metric], at: dict[str, str]) -> pd.DataFrame:
    """Return the scores of one perturbation and setting as rows, calibrated ones with their floor."""
    summarise(scores, metrics, at)
    floor_of = {name + _keys.CALIBRATED: control for name, control in at.items()}
    return pd.DataFrame(
        [
            (
                *(
                    model,
                    name,
                    floor_of.get(name, _keys.NO_FLOOR),
                    group,
                    setting.n_features,
                    setting.n_sampled or score.n_cells,
                ),
                *(score.value, *interval(score.resamples), *score.test),
            )
            for group, group_scores in scores.items()
            for (model, name), score in group_scores.items()
        ],
        columns=[
            "model",
            "metric",
            _keys.FLOOR,
            "group",
            "n_features",
            "n_cells",
            "value",
            "ci_low",
            "ci_high",
            *OF_UNITS,
        ],
    )

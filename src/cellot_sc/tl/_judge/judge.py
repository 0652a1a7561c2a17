"""Judges the predictions for one perturbation: in all cells and in groups, by all features or by markers."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from ... import _defaults, _keys
from ..._settings import logger
from ...metrics import Metric, median_gammas
from ...metrics._resampling import ObservedCells
from ...ot import TransportMap
from .clouds import Cloud, Data, GroupClouds, gather, groups
from .composition import equal_composition
from .pvalues import unit_tests
from .resamples import Resamples
from .scores import Score, Scores, mean_score

N_SAMPLES = 10
"""Samples of every number of cells, as published."""

type Effects = dict[str, list[tuple[np.ndarray, np.ndarray]]]
"""By model, the predicted and the observed change of the means; several where several samples stand in for one."""


class Setting(NamedTuple):
    """How many features were compared, and of how many sampled cells, or ``None`` for all."""

    n_features: int
    n_sampled: int | None


@dataclass(frozen=True)
class EvaluationPlan:
    """What is asked of all predictions alike.

    Parameters
    ----------
    metrics
        The metrics.
    n_markers
        Numbers of markers to compare, each in turn, or ``None`` for all features.
    n_cells
        Numbers of cells to compare, each in turn, or ``None`` for all cells.
    n_boot
        Number of resamples.
    seed
        Seed of samples and resamples.
    controls
        Models that are judged on validation cells, too, to choose a floor among them; none if it is fixed.
    """

    metrics: list[Metric]
    n_markers: Sequence[int] | None
    n_cells: Sequence[int] | None
    n_boot: int
    seed: int
    controls: Sequence[str] = ()


class Judgement(NamedTuple):
    """Scores by setting and group, by group the effects and the number of observed cells, and those of controls."""

    scores: dict[Setting, dict[str, Scores]]
    effects: dict[str, Effects]
    n_cells: dict[str, int]
    validation: Judgement | None = None
    """Of controls on validation cells, in all of these; ``None`` where no floor is chosen."""


def judge(
    data: Data, plan: EvaluationPlan, name: str, maps: dict[str, TransportMap], markers: np.ndarray | None
) -> Judgement:
    """Score every model's prediction for one perturbation.

    Parameters
    ----------
    data, plan
        The cells, and what is asked.
    name
        The perturbation.
    maps
        Its map by model.
    markers
        Features in the order in which they mark it, or ``None``.
    """
    stream = [plan.seed, zlib.crc32(name.encode())]
    judged = (data.parts == data.split) & ((data.labels == data.control) | (data.labels == name))
    resamples = Resamples(plan.n_boot, data.units, judged, np.random.default_rng(stream))
    subsets = [slice(None)]
    if plan.n_markers is not None:
        assert markers is not None
        # what is not compared is not kept
        data = viewed(data, markers[: max(plan.n_markers)])
        subsets = [slice(k) for k in plan.n_markers]
    gammas: dict[int, np.ndarray] = {}
    judgement = Judgement(defaultdict(dict), {}, {})
    members_of = dict(groups(data, name))
    equal = equal_composition(data, name, np.random.default_rng([*stream, 1]))
    if equal is not None:
        members_of[_keys.EQUAL] = equal
    for group, members in members_of.items():
        rng = np.random.default_rng([*stream, zlib.crc32(group.encode())])
        clouds = gather(data, name, members, maps, resamples, rng)
        judgement.effects[group], judgement.n_cells[group] = effects_of(clouds), len(clouds.observed.cells)
        sizes = [None] if plan.n_cells is None else _possible(plan.n_cells, clouds, name, group)
        for columns in subsets:
            part = clouds.features(columns)
            n_features = part.observed.cells.shape[1]
            if n_features not in gammas:
                # all cells come first: their bandwidth serves every group
                gammas[n_features] = median_gammas(part.control.cells, part.observed.cells)
            for n in sizes:
                compared = (plan.metrics, part, gammas[n_features])
                scores = score(*compared) if n is None else _sampled_scores(*compared, n, rng)
                # cells that were drawn for their group no longer make up their units
                if n is None and group != _keys.EQUAL:
                    _test(scores, part, plan.seed)
                judgement.scores[Setting(n_features, n)][group] = scores
    return judgement


def viewed(data: Data, columns: np.ndarray) -> Data:
    """Return the data with a view of some of the features only."""
    return replace(data, view=partial(_viewed, data.view, columns))


def _viewed(view: Callable[[np.ndarray], np.ndarray], columns: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return some of the features of points."""
    return view(points)[:, columns]


def discriminate(judgements: dict[str, Judgement], metrics: list[Metric], n_boot: int) -> None:
    """Add to the scores of every perturbation how well it is told from the others, among those that have the group."""
    for group in dict.fromkeys(group for judgement in judgements.values() for group in judgement.effects):
        having = [judgement for judgement in judgements.values() if group in judgement.effects]
        for model in dict.fromkeys(model for judgement in having for model in judgement.effects[group]):
            # what another tool predicts is told from what else it predicts
            told = [judgement for judgement in having if model in judgement.effects[group]]
            # several samples may stand in for one: as many as all perturbations have
            samples = zip(*(judgement.effects[group][model] for judgement in told), strict=False)
            changes = [tuple(map(np.stack, zip(*pairs, strict=True))) for pairs in samples] if len(told) > 1 else []
            for metric in (metric for metric in metrics if metric.across_perturbations):
                values = np.mean([metric.function(*pair) for pair in changes] or [[np.nan] * len(told)], axis=0)
                for value, judgement in zip(values, told, strict=True):
                    of_one = Score.unknown(n_boot, judgement.n_cells[group])._replace(value=float(value))
                    for group_scores in judgement.scores.values():
                        group_scores[group][model, metric.name] = of_one


def score(metrics: list[Metric], clouds: GroupClouds, gammas: np.ndarray) -> Scores:
    """Score every prediction, and what stands in for a perfect one, with every metric on cells."""
    every, metrics = metrics, [metric for metric in metrics if not metric.across_perturbations]

    def scored(models: Mapping[str, Cloud], observed: Cloud) -> Scores:
        cells = ObservedCells(
            observed.cells,
            clouds.control.cells,
            gammas=gammas,
            observed_counts=observed.counts,
            control_counts=clouds.control.counts,
            whole_units=clouds.control.units is not None,
        )
        return {
            (model, metric.name): Score(
                *metric.resampling.score(metric, cells, predicted.cells, predicted.counts), len(observed.cells)
            )
            for model, predicted in models.items()
            for metric in metrics
        }

    scores = scored(clouds.models, clouds.observed)
    halves = [scored({_keys.OBSERVED: stand_in}, observed) for stand_in, observed in clouds.halvings]
    for key in ((_keys.OBSERVED, metric.name) for metric in metrics):
        if key not in scores:
            ceilings = [half[key] for half in halves] or [Score.unknown(clouds.control.counts.shape[1], 0)]
            scores[key] = mean_score(ceilings)._replace(n_cells=len(clouds.observed.cells))
    unknown = Score.unknown(clouds.observed.counts.shape[1], len(clouds.observed.cells))
    return scores | {(model, metric.name): unknown for model in clouds.lacking for metric in every}


def _test(scores: Scores, clouds: GroupClouds, seed: int) -> None:
    """Add to the scores of every prediction whether it can be told from the observed cells, with the units known."""
    if any(metric == _defaults.TESTED_METRIC for _, metric in scores):
        for model, test in unit_tests(clouds, seed=seed).items():
            scores[model, _defaults.TESTED_METRIC] = scores[model, _defaults.TESTED_METRIC]._replace(test=test)


def _possible(sizes: Sequence[int], clouds: GroupClouds, name: str, group: str) -> list[int]:
    """Return the numbers of cells for which there are cells."""
    most = min(len(clouds.control.cells), len(clouds.observed.cells))
    if left_out := [n for n in sizes if n > most]:
        logger.info("%s, %s: %d cells of a kind are too few to sample %s", name, group, most, left_out)
    return [n for n in sizes if n <= most]


def _sampled_scores(
    metrics: list[Metric], clouds: GroupClouds, gammas: np.ndarray, n: int, rng: np.random.Generator
) -> Scores:
    """Score samples of so many cells of every cloud; the value is the mean over samples, these are the resamples."""
    samples = [score(metrics, clouds.sample(n, rng), gammas) for _ in range(N_SAMPLES)]
    values = {key: np.array([sample[key].value for sample in samples]) for key in samples[0]}
    return {key: Score(float(np.mean(sample_scores)), sample_scores, n) for key, sample_scores in values.items()}


def effects_of(clouds: GroupClouds) -> Effects:
    """Return the predicted and the observed changes of the means."""
    start = clouds.control.cells.mean(axis=0)

    def changes(predicted: Cloud, observed: Cloud) -> tuple[np.ndarray, np.ndarray]:
        return predicted.cells.mean(axis=0) - start, observed.cells.mean(axis=0) - start

    effects: Effects = {model: [changes(predicted, clouds.observed)] for model, predicted in clouds.models.items()}
    return {**effects, _keys.OBSERVED: effects.get(_keys.OBSERVED) or [changes(*half) for half in clouds.halvings]}

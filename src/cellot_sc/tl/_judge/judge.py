"""Judges the predictions for one perturbation: in all cells and in groups, by all features or by markers."""

from __future__ import annotations

import operator
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ... import _defaults, _keys
from ..._settings import logger
from ...metrics import Metric, median_gammas
from ...metrics._resampling import ObservedCells
from .resamples import Resamples
from .scores import Score, gap_closed, mean_score, worst_score

if TYPE_CHECKING:
    from ...ot import TransportMap

IDENTITY = _defaults.IDENTITY
MIN_GROUP_CELLS = 10
"""A group is scored where it has at least this many control and this many treated cells."""
MAX_CELLS = 3000
"""More cells of a kind than this are sampled down to it."""
N_HALVINGS = 10
"""Random halvings of the observed cells over which their ceiling is averaged."""
N_SAMPLES = 10
"""Samples of every number of cells, as published."""

type Scores = dict[tuple[str, str], Score]
"""By model and metric."""
type Effects = dict[str, list[tuple[np.ndarray, np.ndarray]]]
"""By model, the predicted and the observed change of the means; several where several samples stand in for one."""


class Setting(NamedTuple):
    """How many features were compared, and of how many sampled cells, or ``None`` for all."""

    n_features: int
    n_sampled: int | None


@dataclass(frozen=True)
class Data:
    """All cells, and what is to be known of them.

    Parameters
    ----------
    x
        Representation, shape ``(n_obs, n_dims)``.
    labels, parts
        Perturbation and split of every cell.
    control
        Label of the untreated cells.
    split
        The split that is judged.
    groups
        Group of every cell, empty where it has none, or ``None``.
    units
        Unit of every cell with which it is resampled, or ``None`` to resample single cells.
    view
        Takes points of the representation to the space in which they are compared.
    """

    x: np.ndarray
    labels: np.ndarray
    parts: np.ndarray
    control: str
    split: str
    groups: np.ndarray | None
    units: np.ndarray | None
    view: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Protocol:
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
    """

    metrics: list[Metric]
    n_markers: Sequence[int] | None
    n_cells: Sequence[int] | None
    n_boot: int
    seed: int


class Judgement(NamedTuple):
    """Scores by setting and group, and by group the effects and the number of observed cells."""

    scores: dict[Setting, dict[str, Scores]]
    effects: dict[str, Effects]
    n_cells: dict[str, int]


class GroupClouds(NamedTuple):
    """The clouds of one group: arrays of shape ``(n_cells, n_features)``."""

    control: np.ndarray
    observed: np.ndarray
    predictions: dict[str, np.ndarray]
    stand_in: np.ndarray | None
    """Treated train cells; ``None`` where the observed cells are halved instead."""

    def features(self, columns: np.ndarray | None) -> GroupClouds:
        """Return the same clouds with some of their features."""
        if columns is None:
            return self
        return GroupClouds(
            self.control[:, columns],
            self.observed[:, columns],
            {model: predicted[:, columns] for model, predicted in self.predictions.items()},
            None if self.stand_in is None else self.stand_in[:, columns],
        )


class Counts(NamedTuple):
    """The resamples of the clouds of one group, and the halves of its observed cells."""

    control: np.ndarray
    observed: np.ndarray
    stand_in: np.ndarray
    halves: list[tuple[np.ndarray, np.ndarray]]
    of_units: bool


def judge(
    data: Data, protocol: Protocol, name: str, maps: dict[str, TransportMap], markers: np.ndarray | None
) -> Judgement:
    """Score every model's prediction for one perturbation.

    Parameters
    ----------
    data, protocol
        The cells, and what is asked.
    name
        The perturbation.
    maps
        Its map by model.
    markers
        Features in the order in which they mark it, or ``None``.
    """
    judged = data.parts == data.split
    source, treated = judged & (data.labels == data.control), judged & (data.labels == name)
    train = (data.parts == _keys.TRAIN) & (data.labels == name) if data.split == _keys.TEST else None
    units_rng = np.random.default_rng([protocol.seed, zlib.crc32(name.encode())])
    resamples = Resamples(protocol.n_boot, data.units, source | treated, units_rng)
    subsets = [None] if protocol.n_markers is None else [markers[:k] for k in protocol.n_markers]  # type: ignore[index]
    gammas: dict[int, np.ndarray] = {}
    scores: dict[Setting, dict[str, Scores]] = {}
    effects: dict[str, Effects] = {}
    n_cells: dict[str, int] = {}
    for group, members in _groups(data.groups, source, treated):
        rng = np.random.default_rng([protocol.seed, zlib.crc32(name.encode()), zlib.crc32(group.encode())])
        clouds, counts = _clouds(data, maps, resamples, (source & members, treated & members), members, train, rng)
        effects[group], n_cells[group] = _effects(clouds, counts), len(clouds.observed)
        sizes = None if protocol.n_cells is None else _possible(protocol.n_cells, clouds, name, group)
        for columns in subsets:
            part = clouds.features(columns)
            n_features = part.observed.shape[1]
            # all cells come first: their bandwidth serves every group
            width = gammas.setdefault(n_features, median_gammas(part.control, part.observed))
            if sizes is None:
                of_group = _scores(protocol.metrics, part, counts, width)
                scores.setdefault(Setting(n_features, None), {})[group] = of_group
                continue
            for n in sizes:
                of_group = _sampled_scores(protocol.metrics, part, n, width, rng)
                scores.setdefault(Setting(n_features, n), {})[group] = of_group
    return Judgement(scores, effects, n_cells)


def discriminate(judgements: dict[str, Judgement], metrics: list[Metric], n_boot: int) -> None:
    """Add to the scores of every perturbation how well it is told from the others, among those that have the group."""
    for group in dict.fromkeys(group for judgement in judgements.values() for group in judgement.effects):
        having = {name: judgement for name, judgement in judgements.items() if group in judgement.effects}
        for model in next(iter(having.values())).effects[group]:
            effects = [judgement.effects[group][model] for judgement in having.values()]
            # several samples may stand in for one: as many as all perturbations have
            rounds = [map(np.stack, zip(*pairs, strict=True)) for pairs in zip(*effects, strict=False)]
            clouds = [tuple(round_) for round_ in rounds] if len(having) > 1 else []
            for metric in (metric for metric in metrics if metric.across_perturbations):
                values = np.mean([metric.function(*pair) for pair in clouds] or [[np.nan] * len(having)], axis=0)
                for value, judgement in zip(values, having.values(), strict=True):
                    score = Score.unknown(n_boot, judgement.n_cells[group])._replace(value=float(value))
                    for of_setting in judgement.scores.values():
                        of_setting[group][model, metric.name] = score


def summarise(scores: dict[str, Scores], metrics: list[Metric]) -> None:
    """Add the mean over groups, fractions of the gap closed, and the worst of the groups."""
    groups = [group for group in scores if group != _keys.ALL]
    models = list(dict.fromkeys(model for of_group in scores.values() for model, _ in of_group))
    if groups:
        scores[_keys.MEAN] = {
            (model, metric.name): mean_score([scores[group][model, metric.name] for group in groups])
            for model in models
            for metric in metrics
        }
    for of_group in scores.values():
        for model in models:
            if model in (IDENTITY, _keys.OBSERVED):
                continue
            for name in (metric.name for metric in metrics if metric.is_distance):
                of_group[model, name + _keys.GAP_CLOSED] = gap_closed(
                    of_group[model, name], of_group[IDENTITY, name], of_group[_keys.OBSERVED, name]
                )
    if groups:
        badness = {metric.name: metric.badness for metric in metrics}
        scores[_keys.WORST] = {
            (model, name): worst_score(
                # of the gap, the less is closed, the worse
                [scores[group][model, name] for group in groups],
                badness.get(name, operator.neg),
            )
            for model, name in scores[groups[0]]
        }


def _groups(groups: np.ndarray | None, source: np.ndarray, treated: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield all cells, and then every group that can be scored: its name and a mask of its cells."""
    yield _keys.ALL, np.ones(len(source), dtype=bool)
    if groups is None:
        return
    left_out = []
    for name in sorted(set(groups[source | treated]) - {""}):
        members = groups == name
        if min((source & members).sum(), (treated & members).sum()) < MIN_GROUP_CELLS:
            left_out.append(name)
        else:
            yield name, members
    if left_out:
        logger.info("groups with fewer than %d control or treated cells left out: %s", MIN_GROUP_CELLS, left_out)


def _sample(mask: np.ndarray, at_most: int, rng: np.random.Generator) -> np.ndarray:
    rows = np.flatnonzero(mask)
    return rows if len(rows) <= at_most else np.sort(rng.choice(rows, at_most, replace=False))


def _clouds(
    data: Data,
    maps: dict[str, TransportMap],
    resamples: Resamples,
    judged: tuple[np.ndarray, np.ndarray],
    members: np.ndarray,
    train: np.ndarray | None,
    rng: np.random.Generator,
) -> tuple[GroupClouds, Counts]:
    source, treated = (_sample(mask, MAX_CELLS, rng) for mask in judged)
    others = np.array([], dtype=np.int64) if train is None else _sample(train & members, len(source), rng)
    start = data.x[source]
    clouds = GroupClouds(
        data.view(start),
        data.view(data.x[treated]),
        {model: data.view(transport.transport(start)) for model, transport in maps.items()},
        None if train is None else data.view(data.x[others]),
    )
    of_source, of_treated, of_others = (resamples.counts(rows, rng) for rows in (source, treated, others))
    halves = []
    if train is None and len(treated) >= MIN_GROUP_CELLS:
        orders = (rng.permutation(len(treated)) for _ in range(N_HALVINGS))
        halves = [(order[: len(order) // 2], order[len(order) // 2 :]) for order in orders]
    return clouds, Counts(of_source, of_treated, of_others, halves, resamples.of_units)


def _scores(metrics: list[Metric], clouds: GroupClouds, counts: Counts, gammas: np.ndarray) -> Scores:
    """Score every prediction, and what stands in for a perfect one, with every metric on cells."""

    def judged(rows: np.ndarray | slice = slice(None)) -> ObservedCells:
        return ObservedCells(
            clouds.observed[rows],
            clouds.control,
            gammas=gammas,
            observed_counts=counts.observed[rows],
            control_counts=counts.control,
            of_units=counts.of_units,
        )

    def score(metric: Metric, cells: ObservedCells, predicted: np.ndarray, of_predicted: np.ndarray) -> Score:
        return Score(*metric.resampling.score(metric, cells, predicted, of_predicted), len(cells.observed))

    metrics = [metric for metric in metrics if not metric.across_perturbations]
    whole = judged()
    scores = {
        (model, metric.name): score(metric, whole, predicted, counts.control)
        for model, predicted in clouds.predictions.items()
        for metric in metrics
    }
    stand_ins = [(judged(a), clouds.observed[b], counts.observed[b]) for a, b in counts.halves]
    if clouds.stand_in is not None and len(clouds.stand_in) >= MIN_GROUP_CELLS:
        stand_ins = [(whole, clouds.stand_in, counts.stand_in)]
    for metric in metrics:
        ceilings = [score(metric, *stand_in) for stand_in in stand_ins]
        unknown = Score.unknown(counts.control.shape[1], 0)
        ceiling = mean_score(ceilings) if ceilings else unknown
        scores[_keys.OBSERVED, metric.name] = ceiling._replace(n_cells=len(clouds.observed))
    return scores


def _possible(sizes: Sequence[int], clouds: GroupClouds, name: str, group: str) -> list[int]:
    """Return the numbers of cells for which there are cells."""
    most = min(len(clouds.control), len(clouds.observed))
    if left_out := [n for n in sizes if n > most]:
        logger.info("%s, %s: %d cells of a kind are too few to sample %s", name, group, most, left_out)
    return [n for n in sizes if n <= most]


def _sampled_scores(
    metrics: list[Metric], clouds: GroupClouds, n: int, gammas: np.ndarray, rng: np.random.Generator
) -> Scores:
    """Score samples of so many cells of every cloud; the value is the mean over samples, these are the resamples."""
    samples: list[Scores] = []
    for _ in range(N_SAMPLES):
        order = rng.permutation(len(clouds.observed))
        start = rng.choice(len(clouds.control), n, replace=False)
        others = clouds.observed[order[n:]] if clouds.stand_in is None else clouds.stand_in
        enough = len(others) >= n
        sample = GroupClouds(
            clouds.control[start],
            clouds.observed[order[:n]],
            {model: predicted[start] for model, predicted in clouds.predictions.items()},
            others[rng.choice(len(others), n, replace=False)] if enough else others[:0],
        )
        none = np.empty((n, 0), dtype=np.int64)
        samples.append(_scores(metrics, sample, Counts(none, none, none, [], of_units=False), gammas))
    return {
        key: Score(float(np.mean(values)), np.array(values), n)
        for key in samples[0]
        for values in [[sample[key].value for sample in samples]]
    }


def _effects(clouds: GroupClouds, counts: Counts) -> Effects:
    base, observed = clouds.control.mean(axis=0), clouds.observed.mean(axis=0)
    effects: Effects = {
        model: [(predicted.mean(axis=0) - base, observed - base)] for model, predicted in clouds.predictions.items()
    }
    if clouds.stand_in is not None and len(clouds.stand_in) >= MIN_GROUP_CELLS:
        effects[_keys.OBSERVED] = [(clouds.stand_in.mean(axis=0) - base, observed - base)]
    else:
        cells = clouds.observed
        effects[_keys.OBSERVED] = [
            (cells[b].mean(axis=0) - base, cells[a].mean(axis=0) - base) for a, b in counts.halves
        ]
    return effects

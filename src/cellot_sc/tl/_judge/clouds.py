"""The clouds of one group that are compared: control and observed cells, predictions, and what stands in for one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ... import _keys
from ..._settings import logger
from ...ot import TransportMap
from .._fit.contexts import some
from .predictions import Given
from .resamples import Resamples

MIN_GROUP_CELLS = 10
"""A group is scored where it has at least this many control and this many treated cells."""
MAX_CELLS = 3000
"""More cells of a kind than this are sampled down to it."""
N_NAMED = 10
"""Groups that a line in the log names."""
N_HALVINGS = 10
"""Random halvings of the observed cells over which their ceiling is averaged."""


@dataclass(frozen=True)
class Data:
    """What is to be known of all cells, and where those lie that are compared.

    Parameters
    ----------
    x
        Representation of the cells that are compared, shape ``(n_compared, n_dims)``.
    labels, parts
        Perturbation and split of every cell.
    control
        Label of the untreated cells.
    split
        The split that is judged.
    groups
        Group of every cell, empty where it has none, or ``None``.
    kinds
        Category of every cell that is to have equal shares on both sides, likewise, or ``None`` if none is.
    contexts
        Context of every cell that the maps know, if any; see :meth:`.Fit.contexts`.
    units
        Unit of every cell with which it is resampled, or ``None`` to resample single cells.
    view
        Takes points of the representation to the space in which they are compared.
    rows
        Positions of the cells that are compared, increasing; ``None`` if these are all.
    given
        What other tools predict, by the name of the model.
    """

    x: np.ndarray
    labels: np.ndarray
    parts: np.ndarray
    control: str
    split: str
    groups: np.ndarray | None
    kinds: np.ndarray | None
    contexts: np.ndarray | None
    units: np.ndarray | None
    view: Callable[[np.ndarray], np.ndarray]
    rows: np.ndarray | None = None
    given: dict[str, Given] = field(default_factory=dict)

    def points(self, rows: np.ndarray) -> np.ndarray:
        """Return where cells that are compared lie, given their positions among all."""
        return self.x[rows if self.rows is None else np.searchsorted(self.rows, rows)]

    @property
    def has_stand_ins(self) -> bool:
        """Whether treated train cells stand in for a prediction: they are of the population of test cells."""
        return self.split == _keys.TEST and bool((self.parts == _keys.TRAIN).any())


class Members(NamedTuple):
    """Who is in a group: a mask of the judged cells, and positions of given ones, by model, where their group is known.

    Of a model with too few cells in the group, there are none.
    """

    cells: np.ndarray
    given: dict[str, np.ndarray]


class Cloud(NamedTuple):
    """Some cells.

    Parameters
    ----------
    cells
        Shape ``(n_cells, n_features)``.
    counts
        How often each is in every resample, shape ``(n_cells, n_boot)``.
    units
        Unit of each, if whole units are resampled and they are known.
    """

    cells: np.ndarray
    counts: np.ndarray
    units: np.ndarray | None = None

    def rows(self, rows: np.ndarray | slice) -> Cloud:
        """Return some of the cells."""
        return Cloud(self.cells[rows], self.counts[rows], None if self.units is None else self.units[rows])


class GroupClouds(NamedTuple):
    """The clouds of one group."""

    control: Cloud
    observed: Cloud
    predictions: dict[str, Cloud]
    stand_in: Cloud | None
    """Treated train cells; ``None`` where the observed cells are halved instead."""
    halves: list[tuple[np.ndarray, np.ndarray]]
    given: dict[str, Cloud]
    """What other tools predict: cells of their own, not those that control cells become."""
    lacking: list[str]
    """Those of these tools whose predictions have too few cells here."""

    @property
    def models(self) -> dict[str, Cloud]:
        """Every prediction and, where there are cells enough, what stands in for a perfect one."""
        predictions = self.predictions | self.given
        if self.stand_in is None or len(self.stand_in.cells) < MIN_GROUP_CELLS:
            return predictions
        return predictions | {_keys.OBSERVED: self.stand_in}

    @property
    def halvings(self) -> list[tuple[Cloud, Cloud]]:
        """Halves of the observed cells: one that stands in for a prediction of the other, and that."""
        return [(self.observed.rows(b), self.observed.rows(a)) for a, b in self.halves]

    def features(self, columns: np.ndarray | slice) -> GroupClouds:
        """Return the same clouds with some of their features."""

        def some(cloud: Cloud) -> Cloud:
            return cloud._replace(cells=cloud.cells[:, columns])

        return self._replace(
            control=some(self.control),
            observed=some(self.observed),
            predictions={model: some(predicted) for model, predicted in self.predictions.items()},
            given={model: some(predicted) for model, predicted in self.given.items()},
            stand_in=None if self.stand_in is None else some(self.stand_in),
        )

    def sample(self, n: int, rng: np.random.Generator) -> GroupClouds:
        """Return so many cells of every cloud, not resampled; none stand in for a prediction if there are too few."""

        def some(cloud: Cloud, rows: np.ndarray | slice) -> Cloud:
            return cloud._replace(counts=cloud.counts[:, :0]).rows(rows)

        # from random numbers of their own, lest what else is judged depend on them
        streams = zip(self.given.items(), rng.spawn(len(self.given)), strict=True)
        given = {
            model: some(predicted, own.choice(len(predicted.cells), n, replace=False))
            for (model, predicted), own in streams
            if len(predicted.cells) >= n
        }
        order = rng.permutation(len(self.observed.cells))
        start = rng.choice(len(self.control.cells), n, replace=False)
        others = self.observed.rows(order[n:]) if self.stand_in is None else self.stand_in
        enough = len(others.cells) >= n
        return self._replace(
            control=some(self.control, start),
            observed=some(self.observed, order[:n]),
            predictions={model: some(predicted, start) for model, predicted in self.predictions.items()},
            stand_in=some(others, rng.choice(len(others.cells), n, replace=False) if enough else slice(0)),
            halves=[],
            given=given,
            lacking=[*self.lacking, *(model for model in self.given if model not in given)],
        )


def groups(data: Data, name: str) -> Iterator[tuple[str, Members]]:
    """Yield all cells, and then every group in which a perturbation can be scored: its name and who is in it."""
    of_given = {model: np.flatnonzero(given.labels == name) for model, given in data.given.items()}
    of_given = {model: rows for model, rows in of_given.items() if len(rows)}
    judged = data.parts == data.split
    # as many as there are control cells are as good as what these become
    least = min(MIN_GROUP_CELLS, int((judged & (data.labels == data.control)).sum()))
    yield _keys.ALL, Members(np.ones(len(data.labels), dtype=bool), enough(of_given, name, _keys.ALL, least))
    if data.groups is None:
        return
    source, treated = (data.groups[judged & (data.labels == label)] for label in (data.control, name))
    for group in sorted({*source, *treated} - {""}):
        if min((source == group).sum(), (treated == group).sum()) < MIN_GROUP_CELLS:
            continue
        known = {model: data.given[model].groups for model in of_given}
        of_group = {
            model: of_given[model][labels[of_given[model]] == group]
            for model, labels in known.items()
            if labels is not None
        }
        yield group, Members(data.groups == group, enough(of_group, name, group))


def tell_of_left_out(data: Data, names: Sequence[str], column: str) -> None:
    """Say in the log, once, which categories have too few cells to be scored, and for which perturbations.

    Parameters
    ----------
    data
        All cells.
    names
        The perturbations that are judged.
    column
        Column of ``obs`` with the groups, or the kinds where there are no groups.
    """
    of_cells = data.kinds if data.groups is None else data.groups
    if of_cells is None:
        return
    judged = (data.parts == data.split) & (of_cells != "")
    sizes = {name: Counter(of_cells[judged & (data.labels == name)].tolist()) for name in [data.control, *names]}
    source, every = sizes[data.control], sorted(set().union(*sizes.values()))
    lacking = {
        group: [name for name in names if min(source[group], sizes[name][group]) < MIN_GROUP_CELLS] for group in every
    }
    if all(len(without) == len(names) for without in lacking.values()):
        if data.groups is None:
            return
        lack, remedy = "both control and treated cells", "give another column of what cells are, such as the cell type"
        if any(source[group] and sizes[name][group] for group in every for name in names):
            lack = f"{MIN_GROUP_CELLS} control and {MIN_GROUP_CELLS} treated cells"
            remedy = "split more cells off for it, by test_fraction= of cs.pp.split"
        logger.warning(
            "no category of obs[%r] has %s in split %r, so that none is scored: leave groupby out, or %s",
            *(column, lack, data.split, remedy),
        )
    elif said := [f"{group!r} of {_named(of, len(names))}" for group, of in lacking.items() if of]:
        logger.info(
            "categories of obs[%r] with fewer than %d control or treated cells in split %r are left out: %s%s",
            *(column, MIN_GROUP_CELLS, data.split, ", ".join(said[:N_NAMED])),
            f" and {len(said) - N_NAMED} more categories" * (len(said) > N_NAMED),
        )


def _named(names: Sequence[str], n_all: int) -> str:
    if len(names) == n_all > 1:
        return f"all {n_all} perturbations"
    return some(names)


def enough(given: dict[str, np.ndarray], name: str, group: str, least: int = MIN_GROUP_CELLS) -> dict[str, np.ndarray]:
    """Return positions of given cells of a group, none of a model that has too few, with a line in the log.

    Distances of few cells are anything, also the best of all.
    """
    few = [model for model, rows in given.items() if len(rows) < least]
    if few:
        logger.info("%s, %s: no scores of models with fewer than %d cells: %s", name, group, least, few)
    return given | dict.fromkeys(few, np.empty(0, dtype=int))


def gather(
    data: Data,
    name: str,
    members: Members,
    maps: dict[str, TransportMap],
    resamples: Resamples,
    rng: np.random.Generator,
) -> GroupClouds:
    """Return the clouds of one group for one perturbation.

    Parameters
    ----------
    data
        All cells.
    name
        The perturbation.
    members
        Who is in the group.
    maps
        Map of the perturbation by model.
    resamples
        Which cells are in each resample.
    rng
        Where samples and halves are drawn from.
    """

    def positions(label: str, split: str, at_most: int) -> np.ndarray:
        rows = np.flatnonzero((data.labels == label) & (data.parts == split) & members.cells)
        return _at_most(rows, at_most, rng)

    def cloud(rows: np.ndarray) -> Cloud:
        units = None if data.units is None else data.units[rows]
        return Cloud(data.view(data.points(rows)), resamples.counts(rows, rng), units)

    def of_given(given: Given, rows: np.ndarray, own: np.random.Generator) -> Cloud:
        rows = _at_most(rows, MAX_CELLS, own)
        units = None if given.units is None else given.units[rows]
        return Cloud(data.view(given.x[rows]), resamples.counts_of(len(rows), units, own), units)

    source, treated = (positions(label, data.split, MAX_CELLS) for label in (data.control, name))
    others = positions(name, _keys.TRAIN, len(source)) if data.has_stand_ins else None
    control, observed = cloud(source), cloud(treated)
    stand_in = None if others is None else cloud(others)
    halves = []
    if others is None and len(treated) >= MIN_GROUP_CELLS:
        orders = (rng.permutation(len(treated)) for _ in range(N_HALVINGS))
        halves = [(order[: len(order) // 2], order[len(order) // 2 :]) for order in orders]
    start = data.points(source)
    contexts = None if data.contexts is None else data.contexts[source]
    predictions = {
        model: control._replace(cells=data.view(fitted.transport(start, contexts))) for model, fitted in maps.items()
    }
    streams = dict(zip(data.given, rng.spawn(len(data.given)), strict=True))
    given = {
        model: of_given(data.given[model], rows, streams[model]) for model, rows in members.given.items() if len(rows)
    }
    lacking = [model for model in members.given if model not in given]
    return GroupClouds(control, observed, predictions, stand_in, halves, given, lacking)


def _at_most(rows: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return so many of some positions, in their order."""
    return rows if len(rows) <= n else np.sort(rng.choice(rows, n, replace=False))

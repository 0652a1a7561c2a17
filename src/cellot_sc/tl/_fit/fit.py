"""What was fitted: a record from which the same cells are read, and fitted to, again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import chain
from typing import Any

import numpy as np
from anndata import AnnData

from ... import __version__, _keys, _validate, ot
from ..._digest import digest_of_cells
from ..._settings import logger
from ...ot import ChainMap, ContextMap, Problem, Solver, TransportMap, WeightedMap
from ...ot._problem import CLOUDS
from ...ot._support import Support
from ...pp import Space
from ...pp._origin import Origin
from . import blocks
from .abundance import matched
from .clouds import reader
from .described import is_described
from .weights import cell_weights

PERTURBATIONS, COURSE, COUPLINGS = "perturbations", "time course", "couplings"
"""Kinds of fits: of :func:`cellot_sc.tl.cellot`, of :func:`cellot_sc.tl.trajectory`, and what was solved elsewhere."""
MAX_LEARNT = 0.001
"""Share of the judged cells that may be taken for train cells by chance."""


def chained(steps: Sequence[TransportMap]) -> list[TransportMap]:
    """Return the map from the start of the first step to the end of every step."""
    return [steps[0], *(ChainMap(steps[: i + 1]) for i in range(1, len(steps)))]


def coded(contexts: np.ndarray) -> tuple[np.ndarray, list[list[str]]]:
    """Return contexts as numbers, -1 where there is none, and what these stand for in each column."""
    names = [sorted({str(label) for label in column} - {""}) for column in contexts.T]
    positions = [{"": -1} | {name: i for i, name in enumerate(of)} for of in names]
    codes = [[position[label] for label in column] for position, column in zip(positions, contexts.T, strict=True)]
    return np.array(codes, dtype=np.int64).T, names


def _versions() -> dict[str, str]:
    return {"cellot_sc": __version__} | {name: version(name) for name in ("jax", "ott-jax")}


@dataclass(frozen=True, repr=False)
class Fit:
    """What was fitted, by what and to which cells: :func:`cellot_sc.tl.maps` returns it beside the maps.

    Baselines and null maps are fitted again to the same cells, with the same weights, by what is kept here.

    Parameters
    ----------
    kind
        ``"perturbations"`` (:func:`cellot_sc.tl.cellot`), ``"time course"`` (:func:`cellot_sc.tl.trajectory`) or
        ``"couplings"``, which were solved elsewhere (:func:`cellot_sc.tl.from_moscot`).
    label_key
        Column of ``obs`` with the perturbation, or the time, of each cell.
    control
        Label of the cells that the maps start from: the untreated ones, or those of the first time.
    targets
        Labels of the cells that the maps lead to, in their order.
    use_rep
        Key in ``obsm`` of the space of the maps, or ``"X"``.
    split_key
        Column of ``obs`` with the split.
    solver
        Name of the solver.
    options
        Its options, as they were given.
    seed
        Seed of everything random.
    times
        Where the control and the targets lie on the axis of time, if they are times.
    source_weights, target_weights
        Columns of ``obs`` with how much each cell counts where a map starts and where it ends, if not alike.
    feature_weights
        Weight of every dimension in the cost, if they are not alike.
    context
        Columns of ``obs`` whose categories have maps of their own, the outer ones first; none if all cells share one.
    match_abundance
        Whether cells are weighed where kinds of cells differ in abundance, as far as that is seen without labels.
    growth, tau
        Where the weights of a time course come from, as given to :func:`cellot_sc.tl.trajectory`.
    versions
        Versions of the packages that made it.
    cells
        Digests of the names, labels, parts and weights of the train and validation cells of the control and of every
        target.
    origin
        What the space was, and which cells were seen.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> cs.tl.maps(adata).fit
    Fit of perturbations in obs['perturbation']: 'control' to 'drug_a', 'drug_b' by 'gaussian' on 'X_cellot', seed 0
    """

    kind: str
    label_key: str
    control: str
    targets: tuple[str, ...]
    use_rep: str
    split_key: str
    solver: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    times: tuple[float, ...] | None = None
    source_weights: str | None = None
    target_weights: str | None = None
    feature_weights: tuple[float, ...] | None = None
    context: tuple[str, ...] = ()
    match_abundance: bool = False
    growth: str | None = None
    tau: tuple[float, ...] | None = None
    versions: Mapping[str, str] = field(default_factory=_versions)
    cells: tuple[str, ...] = ()
    # what the cells are is in their digest
    origin: Origin | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.targets[:5])) + (", ..." if len(self.targets) > 5 else "")
        return (
            f"Fit of {self.kind} in obs[{self.label_key!r}]: {self.control!r} to {shown} by {self.solver!r} on "
            f"{self.use_rep!r}, seed {self.seed}"
        )

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The labels between which maps were fitted, from the control to each target, or from time to time."""
        before = (self.control,) * len(self.targets) if self.times is None else (self.control, *self.targets[:-1])
        return list(zip(before, self.targets, strict=True))

    def tied(self, adata: AnnData) -> Fit:
        """Return the fit with what it is known by when it is used: its cells, and the space that they are in now.

        Raises
        ------
        KeyError
            If a column or the representation is missing.
        ValueError
            If a label is missing, or the representation of a cell that is fitted to holds NaN or inf.
        """
        seen = self._seen(adata)
        origin = Space(adata, self.use_rep).origin_of(seen, self.labels(adata))
        return replace(self, cells=self._digests(adata), origin=origin)

    def space(self, adata: AnnData) -> Space:
        """Return the space of the maps.

        Raises
        ------
        KeyError
            If there is none of that name.
        ValueError
            If it is not what the maps were fitted in: represented anew, of scaled expression or of other genes; or if
            most cells that have one of their labels now had another one.
        """
        space = Space(adata, self.use_rep, origin=self.origin).checked()
        if self.label_key in adata.obs:
            self._check_labels(space)
        return space

    def judged(self, adata: AnnData, split: str) -> np.ndarray:
        """Return which cells are in a split, as a mask, with a warning if maps have learnt from cells to be judged by.

        Raises
        ------
        KeyError
            If a column or the representation is missing.
        ValueError
            If the split is unknown, or a label is no split.
        """
        _validate.one_of(split, _keys.SPLITS, what="split")
        judged = self.parts(adata) == split
        if split == _keys.TRAIN and self.cells:
            logger.warning(
                "train cells are those that the maps were fitted to: by them one sees how well maps fit, not how well "
                "they predict other cells. Judge by split=%r.",
                _keys.TEST,
            )
        if self.origin is not None and split in (_keys.TEST, _keys.OOD) and judged.any():
            x = Space(adata, self.use_rep, origin=self.origin).read(np.flatnonzero(judged), used=slice(0))
            marked, learnt = self.origin.marks.learnt(adata.obs_names[judged], x)
            share = learnt.sum() / max(marked.sum(), 1)
            if share > MAX_LEARNT:
                logger.warning(
                    "the maps were fitted before this split: they have learnt from %.1f %% of the %d %s cells by which "
                    "they are judged. Fit again.",
                    *(100 * share, judged.sum(), split),
                )
        return judged

    def labels(self, adata: AnnData) -> np.ndarray:
        """Return the perturbation, or the time, of every cell.

        Raises
        ------
        KeyError
            If the column is missing.
        ValueError
            If a cell has none, or no cell is a control.
        """
        labels, _ = _validate.perturbation_labels(adata, self.label_key, self.control)
        return _validate.as_named(labels, (self.control, *self.targets))

    def parts(self, adata: AnnData) -> np.ndarray:
        """Return the split of every cell, ``None`` where it is used for nothing.

        Raises
        ------
        KeyError
            If the column is missing.
        ValueError
            If a label is no split.
        """
        return _validate.split_labels(adata, self.split_key)

    def contexts(self, adata: AnnData, rows: np.ndarray | slice = slice(None)) -> np.ndarray | None:
        """Return the contexts of cells as text, empty where they have none, if there are any.

        Their shape is ``(n_cells, n_levels)``.

        Raises
        ------
        KeyError
            If a column is missing.
        """
        if not self.context:
            return None
        return np.stack([_validate.context_labels(adata, key)[rows] for key in self.context], axis=1)

    def controls(self, adata: AnnData) -> np.ndarray:
        """Return the positions of the control cells: the same errors as :meth:`labels`."""
        return np.flatnonzero(self.labels(adata) == self.control)

    def scaled(self, points: np.ndarray) -> np.ndarray:
        """Return points of the space so scaled that half their squared distance is the cost."""
        if self.feature_weights is None:
            return points
        return points * np.sqrt(np.asarray(self.feature_weights, dtype=np.float32))

    def unscaled(self, inner: TransportMap) -> TransportMap:
        """Return a map of :meth:`scaled` points as one of the space."""
        if self.feature_weights is None:
            return inner
        weights = np.asarray(self.feature_weights)
        return inner.each(lambda plain: WeightedMap(plain, weights), 1 / np.sqrt(weights))

    def support(self, problem: Problem) -> Support:
        """Return where the control cells of a problem lie, by the innermost of their contexts."""
        contexts = problem.source_contexts
        return Support.around(problem.source, contexts if contexts is None or contexts.ndim == 1 else contexts[:, -1])

    def adapted(self, adata: AnnData, maps: Mapping[str, TransportMap]) -> dict[str, TransportMap]:
        """Return maps that also know contexts that were not seen, by where their control cells lie.

        All of these in the AnnData are read, of whatever split, so that a cell alone is moved as it is among others.

        Parameters
        ----------
        adata
            The cells.
        maps
            Maps of this fit, or of others with the same contexts, by target.

        Raises
        ------
        KeyError
            If a column or the representation is missing.
        ValueError
            If the representation of such a cell holds NaN or inf.
        """
        rows = self.controls(adata) if self.context else np.empty(0, dtype=int)
        contexts = self.contexts(adata, rows)
        adapted = dict(maps)
        if contexts is None:
            return adapted
        for name, fitted in maps.items():
            if isinstance(fitted, ContextMap) and (strangers := fitted.strangers(contexts)).any():
                x = Space(adata, self.use_rep, origin=self.origin).read(rows[strangers])
                adapted[name] = fitted.adapted_to(x, contexts[strangers])
        return adapted

    def problems(
        self,
        adata: AnnData,
        pairs: Sequence[tuple[str, str]] | None = None,
        *,
        context: tuple[str, ...] | None = None,
        tell: bool = False,
        streams: bool = False,
        describes: bool = False,
    ) -> list[Problem]:
        """Return the clouds of cells that were fitted; those that share their source cells share the array.

        Parameters
        ----------
        adata
            The cells.
        pairs
            Labels of source and target cells. With ``None``, those between which maps were fitted.
        context
            Columns of ``obs`` with the contexts, with ``None`` those of the fit.
        tell
            Whether the log says where abundance was matched.
        streams
            Whether cells that are on disk may stay there, if they are too many for memory.
        describes
            Whether they may be described, to be read and weighed by who fits them; see :class:`.CellReader`.

        Raises
        ------
        KeyError
            If a column or the representation is missing.
        ImportError
            If they may, and what reads them is missing.
        ValueError
            If a condition has too few train cells, or none is here as the maps come from a model, the representation
            holds NaN or inf, or a weight is impossible.
        """
        pairs = self.pairs if pairs is None else pairs
        names = list(dict.fromkeys(name for pair in pairs for name in pair))
        labels, parts = self.labels(adata), self.parts(adata)
        train, valid = parts == _keys.TRAIN, parts == _keys.VALID
        fitted = dict(zip((self.control, *self.targets), self.cells, strict=True)) if self.cells else {}
        now = dict(zip(fitted, self._digests(adata), strict=True)) if fitted else {}
        if any(fitted.get(name) != now.get(name) for name in names):
            logger.warning(
                "the train and validation cells, or their labels, are others than those that the maps were fitted to: "
                "what is fitted to them for comparison has learnt from other cells."
            )
        used = (train | valid) & (labels[:, None] == names).any(axis=1)
        if not self.cells and not used.any():
            raise ValueError(
                "no cell here was fitted to: the maps come from a model, which keeps none. What is fitted to their "
                "cells again has to be asked for in the AnnData of the fit."
            )
        cells_of = reader(self, adata, labels, parts, used, streams=streams, describes=describes)
        contexts = (self if context is None else replace(self, context=context)).contexts(adata)
        codes, context_names = (None, None) if contexts is None else coded(contexts)
        # in a time course, cells count differently at the two ends of a step
        ends = [names] * 2 if self.times is None else [list(dict.fromkeys(end)) for end in zip(*pairs, strict=True)]
        weights = [
            None if column is None else cell_weights(adata, column, labels, parts, weighed)
            for column, weighed in zip((self.source_weights, self.target_weights), ends, strict=True)
        ]
        shared: dict[tuple[int, bytes], tuple[Any, np.ndarray, np.ndarray | None]] = {}

        def cloud(mask: np.ndarray, end: int) -> tuple[Any, np.ndarray, np.ndarray | None]:
            code, weight = (end, np.packbits(mask).tobytes()), weights[end]
            if code not in shared:
                points, rows = cells_of(mask)
                shared[code] = points, rows, None if weight is None else weight[rows]
            return shared[code]

        problems = []
        for before, after in pairs:
            source, target = labels == before, labels == after
            _validate.enough_cells(int((source & train).sum()), what=f"control {before!r}")
            _validate.enough_cells(int((target & train).sum()), what=f"target {after!r}")
            masks = (source & train, target & train, source & valid, target & valid)
            given: dict[str, Any] = {"context_names": context_names}
            for name, (points, rows, count) in zip(CLOUDS, map(cloud, masks, (0, 1, 0, 1)), strict=True):
                known = None if codes is None else codes[rows]
                given |= {name: points, f"{name}_weights": count, f"{name}_contexts": known}
            problems.append(Problem(**given))
        if any(is_described(problem) for problem in problems):
            return problems
        return matched(self, pairs, problems, tell=tell)

    def _seen(self, adata: AnnData) -> np.ndarray:
        """Return which cells are fitted to or selected on, as a mask; all where there is no split."""
        seen = np.isin(self.labels(adata), [self.control, *self.targets])
        if self.kind == COUPLINGS and self.split_key not in adata.obs:
            return seen
        return seen & np.isin(self.parts(adata).astype(str), (_keys.TRAIN, _keys.VALID))

    def _digests(self, adata: AnnData) -> tuple[str, ...]:
        """Return what the cells of the control and of every target, with their parts, are known by."""
        seen, labels = self._seen(adata), self.labels(adata)
        columns = [labels] if self.split_key not in adata.obs else [labels, self.parts(adata)]
        columns += [
            _validate.obs_key(adata, key, what="weights").to_numpy()
            for key in dict.fromkeys((self.source_weights, self.target_weights))
            if key is not None
        ]
        columns += [_validate.context_labels(adata, key) for key in self.context]
        clouds = [seen & (labels == name) for name in (self.control, *self.targets)]
        return tuple(
            digest_of_cells(adata.obs_names[cloud], *(column[cloud] for column in columns)) for cloud in clouds
        )

    def _check_labels(self, space: Space) -> None:
        """Raise :class:`ValueError` if what has a label of the maps now had another one; a log line names the rest."""
        names = (self.control, *self.targets)
        column = _validate.obs_key(space.adata, self.label_key)
        labels = _validate.as_named(_validate.texts(column, named=(self.control,)), names)
        seen, changed = space.relabelled(labels)
        named = {name: changed[seen & (labels == name)] for name in names}
        others = [name for name, cells in named.items() if 2 * cells.sum() > len(cells)]
        where = f"adata.obs[{self.label_key!r}]"
        what = f"of the cells that there were when the maps were fitted have other labels in {where} since"
        if others:
            raise ValueError(
                f"{int(changed.sum())} of {int(seen.sum())} {what}, among them most that are {others[0]!r} now: "
                "restore these labels, or fit again."
            )
        if changed.any():
            logger.warning(
                "%d of %d %s: maps go by the labels that they were fitted to.", changed.sum(), seen.sum(), what
            )

    def refit(
        self,
        adata: AnnData,
        solvers: Sequence[str | Solver],
        targets: Sequence[str],
        *,
        context: tuple[str, ...] | None = None,
    ) -> dict[str, dict[str, TransportMap]]:
        """Fit other solvers, with their defaults, to the cells that this was fitted to, weighed alike.

        Cells that grow are weighed from one time to the next: such maps lead through all times between.

        Parameters
        ----------
        adata
            The cells.
        solvers
            The solvers, or their names.
        targets
            Labels that the maps are to lead to.
        context
            Columns of ``obs`` with the contexts that solvers who know any are told; with ``None``, those of the fit.

        Returns
        -------
        By name of solver and target, a map from the control, which knows no contexts but those that were fitted to
        (see :meth:`adapted`). The errors are those of :meth:`problems`.
        """
        routes = {name: [(self.control, name)] for name in targets}
        if self.growth is not None:
            routes = {name: self.pairs[: self.targets.index(name) + 1] for name in targets}
        pairs = list(dict.fromkeys(pair for route in routes.values() for pair in route))
        streams = all(ot.SOLVERS.resolve(solver).streams for solver in solvers) and not self.context
        problems = replace(self, match_abundance=False).problems(adata, pairs, context=context, streams=streams)
        pooled = [problem.pooled for problem in problems]
        if self.context:
            problems = matched(self, pairs, problems)
        weighed = [problem.pooled for problem in problems] if self.context else matched(self, pairs, pooled)
        grouped = any(problem.source_contexts is not None for problem in problems)
        maps = {}
        for solver in map(ot.SOLVERS.resolve, solvers):
            given = problems if grouped and solver.contexts else weighed if solver.weighs else pooled
            # in the blocks of the fit: what is fitted to some whole ones is what is fitted to all, to the bit
            parts = (ot.fit([given[i] for i in rows], solver, seed=self.seed) for rows in blocks.split(len(pairs)))
            steps = {
                pair: self.unscaled(fitted.map) for pair, fitted in zip(pairs, chain.from_iterable(parts), strict=True)
            }
            routed = {name: chained([steps[pair] for pair in route])[-1] for name, route in routes.items()}
            maps[solver.name] = routed
        return maps

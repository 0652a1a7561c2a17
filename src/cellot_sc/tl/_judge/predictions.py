"""What other tools predict: their cells, matched with those that are judged and put into the space of the maps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _keys, _on_disk, _validate
from ..._chunks import stored, taken
from ..._digest import digest_of_cells
from ..._settings import logger
from ...pp import Space
from ...pp._methods import METHODS, check
from ...pp._rows import by_row, dense, read
from .._fit.contexts import some
from .._fit.fit import Fit

if TYPE_CHECKING:
    from .clouds import Data

N_COMPARED = 2000
"""Cells by which the scale of predicted expression is compared with that of measured cells, of either."""
N_PLACED = 32
"""Predicted cells by which points are compared with the expression beside them."""
SAME = 1e-5
"""A cell is a copy of another one if it lies no further from it, along one direction, than this share of the spread."""

MANY = 10**4
"""Beyond so many cells, a copy has to lie the nearer the more there are."""


@dataclass(frozen=True)
class Given:
    """Cells that another tool predicts.

    Parameters
    ----------
    x
        Where they lie in the space of the maps, float32, shape ``(n_cells, n_dims)``.
    labels
        Perturbation of each.
    groups, kinds, units
        What :class:`.Data` has of the judged cells, of each; ``None`` where that is not known.
    """

    x: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None
    kinds: np.ndarray | None
    units: np.ndarray | None

    @property
    def digest(self) -> str:
        """What they are known by."""
        known = [labels for labels in (self.labels, self.groups, self.kinds, self.units) if labels is not None]
        points = hashlib.blake2b(np.ascontiguousarray(self.x), digest_size=8).hexdigest()
        return digest_of_cells(range(len(self.x)), *known) + points


@dataclass(frozen=True)
class Matching:
    """What predictions are matched with.

    Parameters
    ----------
    adata, data
        The cells that are judged by.
    fit, space
        The fit of the maps that predictions are judged beside, and its space.
    names
        The perturbations that are judged.
    groupby, unit, kind
        Columns of ``obs`` that groups, units and kinds of cells come from, ``None`` where there are none.
    """

    adata: AnnData
    data: Data
    fit: Fit
    space: Space
    names: Sequence[str]
    groupby: str | None
    unit: str | None
    kind: str | None

    def read(self, predictions: Mapping[str, AnnData | str | Path]) -> dict[str, Given]:
        """Return what is predicted, by the name of the model; see :func:`.evaluate` for what is read and refused."""
        found = {}
        for model, source in predictions.items():
            with _validate.of_prediction(f"predictions[{model!r}]"):
                found[model] = self._read(model, _opened(source))
            self._tell_of_copies(model, found[model])
        return found

    def _read(self, model: str, predicted: AnnData) -> Given:
        rows, labels = self._chosen(model, predicted)
        sources = self._sources(predicted.obs_names[rows], labels)
        groups = self._labels(predicted, rows, sources, self.groupby, self.data.groups)
        if self.groupby is not None and groups is None:
            logger.info(
                "%s: there is no obs[%r], and its cells are not named as control cells: no groups are scored",
                *(model, self.groupby),
            )
        kinds = groups
        if self.groupby is None:
            kinds = self._labels(predicted, rows, sources, self.kind, self.data.kinds)
        units = self._units(model, predicted, rows, sources)
        return Given(self._points(model, predicted, rows), labels, groups, kinds, units)

    def _chosen(self, model: str, predicted: AnnData) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of the cells that are judged, and their perturbations."""
        key, split_key, split = self.fit.label_key, self.fit.split_key, self.data.split
        named = (self.fit.control, *self.fit.targets)
        labels = _validate.as_named(_validate.complete(predicted, key, what="column", named=named), named)
        wanted = np.isin(labels, np.array(self.names, dtype=object))
        _validate.predicts_some(labels[~wanted], self.names, any_wanted=bool(wanted.any()), key=key)
        if split_key in predicted.obs:
            parts = _validate.split_labels(predicted, split_key)
            _validate.in_split(parts[wanted], split, key=split_key)
            wanted &= parts == split
        else:
            logger.info("%s: there is no obs[%r]: all of its cells are judged", model, split_key)
        counts = {name: int((labels[wanted] == name).sum()) for name in self.names}
        if few := [name for name, n in counts.items() if n < 2]:
            logger.warning("%s predicts fewer than 2 cells of %s: it has no scores there", model, some(few))
            wanted &= ~np.isin(labels, np.array(few, dtype=object))
        _validate.cells_predicted(max(counts.values()), split=split)
        rows = np.flatnonzero(wanted)
        return rows, labels[rows]

    def _sources(self, names: pd.Index, labels: np.ndarray) -> np.ndarray | None:
        """Return the positions of the control cells that the cells are named as, ``None`` unless all are."""
        controls = np.flatnonzero(self.data.labels == self.fit.control)
        known = self.adata.obs_names[controls].astype(str)
        # numbers are what pandas counts cells by
        if not known.is_unique or names.str.isdecimal().all():
            return None
        plain = [str(name).removesuffix(f"-{_keys.PREDICTED}") for name in names]
        without = [name.removesuffix(f"-{label}") for name, label in zip(plain, labels, strict=True)]
        at = known.get_indexer(pd.Index(plain))
        at = np.where(at < 0, known.get_indexer(pd.Index(without)), at)
        return controls[at] if (at >= 0).all() else None

    def _labels(
        self, predicted: AnnData, rows: np.ndarray, sources: np.ndarray | None, key: str | None, known: Any
    ) -> np.ndarray | None:
        """Return what a column says of the cells, or of the control cells that they come from, empty for nothing."""
        if key is None or known is None:
            return None
        if key in predicted.obs:
            return _validate.as_named(_validate.context_labels(predicted, key), set(known) - {""})[rows]
        return None if sources is None else known[sources]

    def _units(self, model: str, predicted: AnnData, rows: np.ndarray, sources: np.ndarray | None) -> np.ndarray | None:
        if self.unit is None or self.data.units is None:
            return None
        names = _validate.complete(self.adata, self.unit, what="unit")
        found = self._labels(predicted, rows, sources, self.unit, names)
        code = dict(zip(names, self.data.units, strict=True))
        if found is not None and set(found) <= set(code):
            return np.array([code[name] for name in found])
        why = f"there is no obs[{self.unit!r}], and its cells are not named as control cells"
        if found is not None:
            others = sorted({*found} - {*code})
            why = f"obs[{self.unit!r}] has {others[0]!r}, which is no unit here" if any(others) else "some have no unit"
        logger.info("%s: %s: its cells are resampled one by one, and not tested", model, why)
        return None

    def _points(self, model: str, predicted: AnnData, rows: np.ndarray) -> np.ndarray:
        """Return where the cells lie in the space of the maps."""
        name, n_dims = self.space.name, self.space.n_dims
        if not self.space.is_expression:
            x: Any = predicted.obsm.get(name)
            if x is not None and x.shape[1] == n_dims:
                points = _finite(x, rows, what=f"adata.obsm[{name!r}]")
                self._tell_of_other_places(model, predicted, rows, points)
                return points
            if not self.space.decodes:
                _validate.has_points(predicted, name, n_dims)
                return _finite(predicted.X, rows, what="adata.X")
            if x is not None:
                logger.warning(
                    "%s: obsm[%r] has %d dimensions, and the maps have %d: X is judged in its place",
                    *(model, name, x.shape[1], n_dims),
                )
        columns = self._columns(predicted)
        genes = self.space.features
        _validate.all_genes(predicted, genes, columns, name)
        cells = by_row(_validate.expression(predicted, self._layer(predicted), columns=columns, stores=True))[rows]
        measured = self._measured()
        if measured is not None:
            of_some = taken(cells, _spread(len(rows), N_COMPARED))
            what = _validate.expression_name(self._layer(predicted))
            _validate.predicted_scale(of_some, measured, what=what)
        if self.space.is_expression:
            return read(cells)
        return self._projected(cells)

    def _projected(self, x: Any) -> np.ndarray:
        check(self.space.decoder)
        return METHODS[self.space.decoder["method"]].project(x, self.space.decoder)

    def _columns(self, predicted: AnnData) -> np.ndarray:
        """Return where the genes of the space are among those of predicted cells, -1 where they are not."""
        gene_key = self.space.decoder.get(_keys.GENE_KEY)
        names = _validate.names_of_genes(predicted, gene_key if gene_key in predicted.var else None)
        columns, twice = _validate.places_of(self.space.features, names)
        _validate.once(twice)
        return columns

    def _layer(self, predicted: AnnData) -> str | None:
        return self.space.layer if self.space.layer in predicted.layers else None

    def _measured(self) -> Any:
        """Return the expression of some measured cells, ``None`` if it is not there."""
        seen = np.flatnonzero((self.data.parts == _keys.TRAIN) & np.isin(self.data.labels, self.fit.targets))
        if not len(seen):
            seen = np.arange(self.adata.n_obs)
        x = self.space.measured(seen[_spread(len(seen), N_COMPARED)])
        return None if x is None else taken(x, slice(None))

    def _tell_of_other_places(self, model: str, predicted: AnnData, rows: np.ndarray, points: np.ndarray) -> None:
        """Say so if the expression beside points lies elsewhere, as where components are those of another file."""
        if not self.space.decodes or predicted.X is None:
            return
        columns = self._columns(predicted)
        if (columns < 0).any():
            return
        few = _spread(len(rows), N_PLACED)
        x = by_row(_validate.expression(predicted, self._layer(predicted), columns=columns, stores=True))
        x = dense(taken(x, rows[few]))
        # what is decoded was cut off at 0, and is not represented to where it came from
        rebuilt = self.space.view(points[few])
        off = np.abs(x - rebuilt).max(axis=1) > 1e-4 * np.abs(rebuilt).max(initial=0)
        off &= np.abs(self._projected(x) - points[few]).max(axis=1) > 0.01 * np.abs(points[few]).max(initial=0)
        if off.mean() > 0.5:
            logger.warning(
                "%s: obsm[%r] is judged, and its X lies elsewhere in that space: if the points were made by components "
                "of another file, delete them, and X is judged",
                *(model, self.space.name),
            )

    def _tell_of_copies(self, model: str, given: Given) -> None:
        """Say so if cells are those that they are judged by."""
        data, copied = self.data, []
        direction = np.random.default_rng(0).standard_normal(data.x.shape[1])
        for name in dict.fromkeys(given.labels):
            rows = np.flatnonzero((data.labels == name) & (data.parts == data.split))
            observed = np.sort(data.points(rows).astype(np.float64) @ direction)
            predicted = np.sort(given.x[given.labels == name].astype(np.float64) @ direction)
            # a whole data set holds the judged cells among others
            pairs = ((predicted, observed), (observed, predicted))
            if max(_share_within(one, other, SAME * observed.std()) for one, other in pairs) > 0.5:
                copied.append(str(name))
        if copied:
            logger.warning(
                "%s: its cells of %s are observed cells that they are judged by: these are the answer, no prediction",
                *(model, some(copied)),
            )


def _share_within(values: np.ndarray, others: np.ndarray, most: float) -> float:
    """Return the share of values that lie no further than ``most`` from the nearest of others, which are sorted."""
    if not len(values) or not len(others):
        return 0.0
    # among very many, one is near by chance
    most *= min(1.0, MANY / len(others))
    at = np.searchsorted(others, values)
    ends = (others[np.clip(at - 1, 0, None)], others[np.clip(at, None, len(others) - 1)])
    return float((np.min([np.abs(values - end) for end in ends], axis=0) <= most).mean())


def _opened(source: AnnData | str | Path) -> AnnData:
    if isinstance(source, str | Path):
        return _on_disk.cells(Path(source))
    return _validate.annotated(source)


def _finite(x: Any, rows: np.ndarray, *, what: str) -> np.ndarray:
    return _validate.finite(read(by_row(stored(x, what=what, finite=False)), rows), what=what)


def _spread(n: int, most: int) -> np.ndarray:
    """Return positions of at most so many cells, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))

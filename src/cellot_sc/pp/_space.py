"""The space that cells live in: what their dimensions are, and the way to genes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

import numpy as np
import pandas as pd
from anndata import AnnData

from cellot_sc import _keys, _validate
from cellot_sc._chunks import Stored, stored
from cellot_sc._settings import logger

from ._columns import joined, of_columns, order_of, var_of
from ._decode import decoder_digest, reconstruct
from ._origin import Marks, Origin
from ._rows import bounded, by_row, dense, extremes, read
from ._unchanged import check_origin, check_projection


@dataclass(frozen=True, repr=False)
class Space:
    """The space in which cells of an AnnData are represented: how they are read, and how points of it become genes.

    Parameters
    ----------
    adata
        Annotated data.
    name
        Key in ``obsm``, or ``"X"`` for the expression itself.
    origin
        What it was when maps were fitted in it: genes are then matched by name. Set by :meth:`cellot_sc.tl.Fit.space`.

    Raises
    ------
    KeyError
        If there is no such representation.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(n_cells=300, n_genes=60)
    >>> cs.pp.represent(adata, n_components=10)
    >>> space = cs.pp.Space(adata, "X_cellot")
    >>> space
    Space 'X_cellot': 10 dimensions, pca of 60 genes
    >>> space.view(space.read()).shape
    (300, 60)
    """

    adata: AnnData
    name: str
    origin: Origin | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Check that it is there."""
        _validate.representation_key(self.adata, self.name)
        if self.origin is not None and not isinstance(self.origin, Origin):
            raise TypeError(f"origin is {self.origin!r}: leave it out, it is known to cs.tl.Fit.space.")

    def __repr__(self) -> str:
        how = f", {self.method} of {len(self._genes):,} genes" if self.decodes else ""
        return f"Space {self.name!r}: {self.n_dims:,} {'genes' if self.is_expression else 'dimensions'}{how}"

    @property
    def is_expression(self) -> bool:
        """Whether its dimensions are the genes."""
        return self.name == _keys.EXPRESSION

    @property
    def decodes(self) -> bool:
        """Whether :func:`cellot_sc.pp.represent` has kept a way back to genes."""
        return not self.is_expression and _validate.has_decoder(self.adata, self.name)

    @property
    def is_genes(self) -> bool:
        """Whether :meth:`view` returns the expression of genes."""
        return self.is_expression or self.decodes

    @property
    def method(self) -> str | None:
        """How :func:`cellot_sc.pp.represent` made it, ``None`` if it did not."""
        return str(self.decoder["method"]) if self.decodes else None

    @property
    def layer(self) -> str | None:
        """Layer with the expression, ``None`` for ``X``."""
        layer = str(self.decoder.get("layer", _keys.EXPRESSION))
        return None if layer == _keys.EXPRESSION else layer

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return int(self.matrix().shape[1])

    @property
    def features(self) -> list[str]:
        """Names of what :meth:`view` returns: genes where there is a way to them, else dimensions.

        Raises
        ------
        ValueError
            If two genes share a name.
        """
        if not self.is_genes:
            return self._dimensions
        genes = self._genes
        names = pd.Index(self._names)
        _validate.unique_var_names(names[names.isin(genes)])
        return genes

    @property
    def filled(self) -> list[str]:
        """Names of those of its genes that were not measured in these cells, and that were filled to represent them."""
        return [self._genes[i] for i in np.flatnonzero(~self.is_measured)]

    @property
    def is_measured(self) -> np.ndarray:
        """Which of the :attr:`features` were measured in these cells, as a mask."""
        columns = self.columns if self.decodes else None
        n_features = len(self._genes) if self.is_genes else self.n_dims
        return np.ones(n_features, dtype=bool) if columns is None else columns >= 0

    @property
    def filling(self) -> str:
        """What is to be known where cells are judged by that lack genes, in a line; empty if they lack none."""
        filled = self.filled
        if not filled:
            return ""
        squared = np.square(self.decoder.get("components", np.empty((0, 0))), dtype=np.float64).sum(axis=0)
        share = squared[~self.is_measured].sum() / squared.sum() if squared.any() else None
        carry = "" if share is None else f", which carry {100 * share:.1f} % of the squared loadings"
        names = ", ".join(map(repr, filled[:5])) + ", ..." * (len(filled) > 5)
        return (
            f"{len(filled)} of {len(self._genes):,} genes were not measured in these cells ({names}){carry}: observed "
            f"cells are read without them. In {self.name!r}, they are what a factor model of control and treated train "
            "cells says, which falls short of a response of their own: distances there are not of measured cells alone"
        )

    def warn_of_filling(self) -> None:
        """Say in the log, in a line, if cells that are judged by lack genes."""
        if text := self.filling:
            logger.warning("%s", text)

    def checked(self) -> Self:
        """Return the space if it is still what it was made of, and what maps were fitted in if that is known.

        Raises
        ------
        ValueError
            If it was represented anew, or is of other expression than there is now; if genes or dimensions are not
            those of the maps, or the expression is scaled that was not.
        """
        if self.decodes:
            check_projection(self)
        if self.origin is not None:
            check_origin(self, self.origin)
        return self

    def relabelled(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return masks of the cells that maps were fitted to, and of those of them that have another label by now."""
        if self.origin is None:
            nobody = np.zeros(self.adata.n_obs, dtype=bool)
            return nobody, nobody
        return self.origin.marks.relabelled(self.adata.obs_names, self.matrix(), labels)

    def origin_of(self, seen: np.ndarray, labels: np.ndarray | None = None) -> Origin:
        """Return what it is now, with the cells that a fit sees, a boolean mask, and the labels that all have.

        Raises
        ------
        ValueError
            If a cell that is seen holds NaN or inf.
        """
        x = self.matrix()
        low, high = extremes(self._finite(by_row(x)[seen]))
        return Origin(
            n_dims=x.shape[1],
            features=tuple(self._genes) if self.is_expression else (),
            decoder=decoder_digest(self.decoder),
            low=low if self.is_expression else -np.inf,
            high=high if self.is_expression else np.inf,
            marks=Marks.of(self.adata.obs_names, by_row(x), seen=seen, labels=labels),
        )

    def matrix(self) -> Any:
        """Return what is kept in ``X`` or ``obsm``, dense, sparse or :class:`.Stored`; cells may hold NaN or inf."""
        values: Any = self.adata.X if self.is_expression else self.adata.obsm[self.name]
        values = stored(values, what=f"use_rep {self.name!r}", finite=False)
        columns = self.columns if self.is_expression else None
        return values if columns is None else of_columns(values, columns)

    def read(self, rows: np.ndarray | slice = slice(None), *, used: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the chosen cells, float32, shape ``(n_cells, n_dims)``; of what is not in memory, no others are read.

        Parameters
        ----------
        rows
            Which cells: boolean mask, positions or slice.
        used
            Which of these have to be finite; the others may hold NaN or inf.

        Raises
        ------
        ValueError
            If the representation is no matrix of real numbers, or a cell that is used holds NaN or inf.
        """
        x = self.matrix()
        if isinstance(x, Stored):
            cells = read(x, rows)
            self._finite(cells[used])
            return cells
        x = x[rows]
        self._finite(x[used])
        return dense(x)

    def view(self, points: np.ndarray) -> np.ndarray:
        """Return points of the space as :attr:`features`: decoded if they can be, else as they are.

        Expression that was not negative in the cells that were learnt from is cut off at 0, and at the highest value
        that they have, whether it is decoded or mapped itself.

        Parameters
        ----------
        points
            Shape ``(n_points, n_dims)``.

        Raises
        ------
        ValueError
            If the genes are not those of the decoder, or the points not those of the space.
        """
        if self.decodes:
            return reconstruct(self.decoder, points)
        if self.origin is None or not self.is_expression:
            return points
        return bounded(points, self.origin.low, self.origin.high)

    def view_measured(self, points: np.ndarray) -> np.ndarray:
        """Return the same without the features that were not measured in these cells."""
        found, is_measured = self.view(points), self.is_measured
        return found if is_measured.all() else found[:, is_measured]

    def deviations(
        self, points: np.ndarray, spread: np.ndarray, *, decode: bool = True, beyond: np.ndarray | None = None
    ) -> np.ndarray:
        """Return how uncertain features are, given that of every dimension, which are independent.

        By how far each dimension's standard deviation takes a point in the space of the features, up or down.

        Parameters
        ----------
        points
            Shape ``(n_points, n_dims)``.
        spread
            Standard deviation of each dimension of each point, of the same shape.
        decode
            Whether to go back to genes where that can be done.
        beyond
            Standard deviation of what decoded :attr:`features` do beyond the space, shape ``(n_features,)``, if known.

        Returns
        -------
        Standard deviations, shape and order as ``X`` of :meth:`as_adata`.
        """
        if self.is_expression or not (decode and self.decodes):
            return spread if (order := order_of(self.columns)) is None else spread[:, order]
        at = self.view(points)
        variance = np.zeros(at.shape) if beyond is None else np.tile(np.square(beyond, dtype=np.float64), (len(at), 1))
        for dimension in np.flatnonzero(spread.any(axis=0)):
            step = np.zeros_like(points)
            step[:, dimension] = spread[:, dimension]
            # where expression is cut off on one side, the other tells
            variance += np.maximum(np.abs(self.view(points + step) - at), np.abs(self.view(points - step) - at)) ** 2
        found = np.sqrt(variance).astype(np.float32)
        return found if (order := order_of(self.columns)) is None else found[:, order]

    def observed(self, *, filled: bool = True) -> Any:
        """Return the measured :attr:`features` of all cells, shape ``(n_obs, n_features)``.

        What was represented where that is genes (a layer or ``X``), the representation itself otherwise.

        Parameters
        ----------
        filled
            Whether genes that the cells lack, and that were filled, are there: as NaN.

        Returns
        -------
        Dense, sparse, or :class:`.Stored` where expression is not in memory.

        Raises
        ------
        KeyError
            If the layer is missing.
        ValueError
            If there is no expression, or what is in memory of it holds NaN or inf.
        """
        if not self.is_genes:
            return self.read(used=slice(0))
        columns = self.columns
        if columns is None:
            return _validate.expression(self.adata, self.layer, stores=True)
        there = columns >= 0
        x = _validate.expression(self.adata, self.layer, columns=columns[there], stores=True)
        if there.all() or not filled:
            return x
        return x.made_into(partial(_with_gaps, there), len(there)) if isinstance(x, Stored) else _with_gaps(there, x)

    def measured(self, rows: np.ndarray | slice) -> Any:
        """Return the expression of some cells that was represented, or ``None`` if it is not there.

        Parameters
        ----------
        rows
            Which cells: boolean mask, slice or increasing positions.

        Returns
        -------
        Dense, sparse, or :class:`.Stored` where it is not in memory. Its columns are the :attr:`features`; cells may
        hold NaN or inf.
        """
        if self.expression is None:
            return None
        x = stored(self.expression, what=_validate.expression_name(self.layer), finite=False)[rows]
        return x if self.columns is None else of_columns(x, self.columns)

    def as_adata(self, points: np.ndarray, obs: pd.DataFrame, *, decode: bool = True) -> AnnData:
        """Return points of the space as an AnnData of their own.

        Parameters
        ----------
        points
            Shape ``(n_points, n_dims)``.
        obs
            What is known of each, one row per point.
        decode
            Whether to go back to genes where that can be done.

        Returns
        -------
        ``X`` is the expression, or the points where there is no way to it; ``obsm`` has the points under the name of
        the space, if that is not ``X`` itself. Expression that was learnt of a layer is in that layer, too. Genes are
        those that were represented, in the order of the AnnData; in their own where that lacks some which were filled.
        """
        if self.is_expression or (decode and self.decodes):
            expression, columns = self.view(points), self.columns
            if (order := order_of(columns)) is not None:
                # as the genes of the cells that were observed, so that both can be put together
                expression = expression[:, order]
            out = AnnData(expression, obs=obs, var=var_of(self.adata.var, self._genes, columns))
            if self.layer is not None:
                out.layers[self.layer] = expression.copy()
        else:
            out = AnnData(points, obs=obs, var=pd.DataFrame(index=self._dimensions))
        if not self.is_expression:
            out.obsm[self.name] = points
        if decode and self.decodes:
            # the names of its genes are those of the decoder
            out.uns[self.name] = copy.deepcopy({k: v for k, v in self.decoder.items() if k != _keys.GENE_KEY})
        return out

    @property
    def decoder(self) -> Mapping[str, Any]:
        """What :func:`cellot_sc.pp.represent` has kept, empty if nothing."""
        kept: Mapping[str, Any] = self.adata.uns[self.name] if self.decodes else {}
        return kept

    @property
    def expression(self) -> Any:
        """What was represented, wherever it is, ``None`` if it is gone, or some of its genes are."""
        x = self.adata.X if self.layer is None else self.adata.layers.get(self.layer)
        return x if set(self._genes) <= set(self._names) else None

    @property
    def _genes(self) -> list[str]:
        """Names of the genes in the order in which they were learnt."""
        genes = self.decoder.get("var_names", self.adata.var_names)
        if self.is_expression and self.origin is not None:
            genes = self.origin.features
        return [str(name) for name in genes]

    @property
    def _names(self) -> list[str]:
        """Names of all genes of the AnnData."""
        return _validate.names_of_genes(self.adata, self.decoder.get(_keys.GENE_KEY))

    @property
    def columns(self) -> np.ndarray | None:
        """Where these genes are in the AnnData, -1 if they were filled; ``None`` if it has them in the same order."""
        what = "the maps were" if self.is_expression else f"adata.uns[{self.name!r}] was"
        return _validate.gene_columns(self._names, self._genes, what=what, filled=self.decoder.get(_keys.FILLED, ()))

    @property
    def _dimensions(self) -> list[str]:
        return [f"{self.name}_{i}" for i in range(self.n_dims)]

    def _finite[Matrix](self, x: Matrix) -> Matrix:
        """Return rows of the space; raise :class:`ValueError` if they hold NaN or inf, once they are read."""
        if isinstance(x, Stored):
            return replace(x, finite=True)
        return _validate.finite(x, what=f"use_rep {self.name!r}")


def _with_gaps(there: np.ndarray, known: Any) -> Any:
    """Return expression with NaN for the genes that are not there."""
    return joined(known, np.full((known.shape[0], int((~there).sum())), np.nan, dtype=np.float32), there)

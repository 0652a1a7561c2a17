"""The space that cells live in: what their dimensions are, and the way to genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from cellot_sc import _keys, _validate

from ._decode import decode
from ._rows import dense


@dataclass(frozen=True, repr=False)
class Space:
    """The space in which cells of an AnnData are represented: how they are read, and how points of it become genes.

    Parameters
    ----------
    adata
        Annotated data.
    name
        Key in ``obsm``, or ``"X"`` for the expression itself.

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

    def __post_init__(self) -> None:
        """Check that it is there."""
        _validate.representation_key(self.adata, self.name)

    def __repr__(self) -> str:
        how = f", {self.method} of {self.adata.n_vars:,} genes" if self.decodes else ""
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
        return str(self.adata.uns[self.name]["method"]) if self.decodes else None

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return int(self._matrix().shape[1])

    @property
    def features(self) -> list[str]:
        """Names of what :meth:`view` returns: genes where there is a way to them, else dimensions."""
        return [str(name) for name in self.adata.var_names] if self.is_genes else self._dimensions

    def read(self, rows: np.ndarray | slice = slice(None), *, used: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the chosen cells, float32, shape ``(n_cells, n_dims)``.

        Parameters
        ----------
        rows
            Which cells: boolean mask, positions or slice.
        used
            Which of these have to be finite; the others may hold NaN or inf.

        Raises
        ------
        ValueError
            If the representation is no matrix of real numbers in memory, or a cell that is used holds NaN or inf.
        """
        x = self._matrix()[rows]
        _validate.finite(x[used], what=f"use_rep {self.name!r}")
        return dense(x)

    def view(self, points: np.ndarray) -> np.ndarray:
        """Return points of the space as :attr:`features`: decoded if they can be, else as they are.

        Parameters
        ----------
        points
            Shape ``(n_points, n_dims)``.

        Raises
        ------
        ValueError
            If the genes are not those of the decoder, or the points not those of the space.
        """
        return decode(self.adata, points, key=self.name) if self.decodes else points

    def observed(self) -> Any:
        """Return the measured :attr:`features` of all cells, dense or sparse, shape ``(n_obs, n_features)``.

        What was represented where that is genes (a layer or ``X``), the representation itself otherwise.

        Raises
        ------
        KeyError
            If the layer is missing.
        ValueError
            If there is no expression, or it holds NaN or inf.
        """
        if not self.is_genes:
            return dense(self._matrix())
        layer = str(self.adata.uns[self.name]["layer"]) if self.decodes else _keys.EXPRESSION
        return _validate.expression(self.adata, None if layer == _keys.EXPRESSION else layer)

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
        the space, if that is not ``X`` itself.
        """
        if self.is_expression:
            return AnnData(points, obs=obs, var=self.adata.var.copy())
        if decode and self.decodes:
            out = AnnData(self.view(points), obs=obs, var=self.adata.var.copy())
            out.uns[self.name] = self.adata.uns[self.name]
        else:
            out = AnnData(points, obs=obs, var=pd.DataFrame(index=self._dimensions))
        out.obsm[self.name] = points
        return out

    @property
    def _dimensions(self) -> list[str]:
        return [f"{self.name}_{i}" for i in range(self.n_dims)]

    def _matrix(self) -> Any:
        """Return what is kept in ``X`` or ``obsm``, dense or sparse."""
        values: Any = self.adata.X if self.is_expression else self.adata.obsm[self.name]
        return _validate.matrix(values, what=f"use_rep {self.name!r}")

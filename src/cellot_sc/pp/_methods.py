"""The ways to represent cells: name to how it is fitted, applied and undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from cellot_sc._plugins import nearest
from cellot_sc._states import Field, StateReading, read_fields

from . import _autoencoder, _pca


class Method(Protocol):
    """What a representation has to offer; a module with these functions does."""

    @property
    def FIELDS(self) -> Mapping[str, Field]:
        """What every field of the decoder that it uses has to be, with ``g`` for genes."""
        ...

    @property
    def OPTIONAL(self) -> Sequence[str]:
        """Fields that not every decoder has."""
        ...

    def options(self) -> list[str]:
        """Return the names of the options that :meth:`fit` that not every method has."""
        ...

    @property
    def fit(self) -> Callable[..., dict[str, Any]]:
        """Fit train cells, shape (n_cells, n_genes), and return the decoder: a dict that an AnnData can keep.

        Called with the cells, the number of components, validation cells as ``valid``, which may choose between fits
        but enter none, a ``seed``, and the options.
        """
        ...

    def project(self, x: Any, decoder: Mapping[str, Any]) -> np.ndarray:
        """Return the latent of cells, float32 (n_cells, n_components)."""
        ...

    def reconstruct(self, latent: np.ndarray, decoder: Mapping[str, Any]) -> np.ndarray:
        """Return the expression at a latent, float32 (n_cells, n_genes)."""
        ...


METHODS: dict[str, Method] = {"pca": _pca, "autoencoder": _autoencoder}


def check(decoder: Mapping[str, Any]) -> None:
    """Check a decoder that may come from a file, before it is used.

    Raises
    ------
    ValueError
        If its method is unknown, or a field is not what the method needs: missing, of another type or shape, NaN or
        inf, or not positive where it has to be.
    """
    method = str(decoder.get("method"))
    if method not in METHODS:
        raise ValueError(f"a decoder of method {method!r} is unknown.{nearest(method, METHODS)}")
    genes = StateReading(sizes={"g": np.size(decoder["var_names"])} if "var_names" in decoder else {})
    try:
        one = METHODS[method]
        read_fields(decoder, one.FIELDS, genes, optional=one.OPTIONAL, others=None)
    except ValueError as error:
        raise ValueError(f"a decoder of method {method!r} cannot be used: {error}") from error

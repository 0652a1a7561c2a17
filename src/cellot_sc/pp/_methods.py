"""The ways to represent cells: name to how it is fitted, applied and undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from . import _autoencoder, _pca


class Method(Protocol):
    """What a representation has to offer; a module with these functions does."""

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

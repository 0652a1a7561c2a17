"""Predicted cells, which say what they were made by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _keys
from ._labels import obs_key, texts
from ._names import as_named

if TYPE_CHECKING:
    from anndata import AnnData

NEEDED = ("label_key", "control", "targets", "split_key", "use_rep", "decoder", "decoded")
"""What is read of it."""


def prediction(adata: AnnData, *, what: str) -> Mapping[str, Any]:
    """Return what predicted cells were made by.

    Parameters
    ----------
    adata
        What :func:`cellot_sc.tl.predict` returns.
    what
        What it is called.

    Raises
    ------
    KeyError
        If it is not there.
    """
    found = adata.uns.get(_keys.PREDICTION)
    if not isinstance(found, Mapping) or not set(NEEDED) <= set(found):
        raise KeyError(
            f"{what}.uns[{_keys.PREDICTION!r}] does not say what was predicted: give what cs.tl.predict returns; "
            "anndata.concat keeps that with uns_merge='first'."
        )
    return found


def predicted_labels(adata: AnnData, made: Mapping[str, Any]) -> np.ndarray:
    """Return the perturbation of every predicted cell as text, ``None`` where it has none.

    Raises
    ------
    KeyError
        If the column is missing.
    """
    targets = [str(name) for name in made["targets"]]
    return as_named(texts(obs_key(adata, str(made["label_key"])), named=targets), targets)

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


def predicted_labels(adata: AnnData, made: Mapping[str, Any], *, what: str) -> np.ndarray:
    """Return the perturbation of every predicted cell as text.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If there are no cells, or one is labelled as something else than what was predicted.
    """
    key, targets = str(made["label_key"]), [str(name) for name in made["targets"]]
    labels = as_named(texts(obs_key(adata, key), named=targets), targets)
    if not len(labels):
        raise ValueError(f"{what} has no cells: give what cs.tl.predict returns.")
    if others := sorted({str(label) for label in labels} - set(targets)):
        raise ValueError(
            f"{what}.obs[{key!r}] has {others[0]!r}, and what was predicted is {', '.join(map(repr, targets[:5]))}: "
            "restore the labels, or leave such cells out."
        )
    return labels

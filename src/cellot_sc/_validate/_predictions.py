"""Predicted cells: those that say what they were made by, and those of any other tool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _keys
from .._arrays import is_whole
from .._plugins import RESERVED
from ._fits import has_fit
from ._labels import obs_key, texts
from ._matrices import COUNTS
from ._names import as_named, nearest

if TYPE_CHECKING:
    from anndata import AnnData

NEEDED = ("label_key", "control", "targets", "split_key", "use_rep", "decoder", "decoded")
"""What is read of it."""
MOST_TIMES = 5.0
"""How often predicted and measured expression may go into each other, in the mean. Logarithms of counts per million and
per ten thousand differ by 3 to 4 times, logarithms and what they were taken of by more."""
TOLD_TIMES = 2.0
"""From how often on that is told."""


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


@contextmanager
def of_prediction(what: str) -> Iterator[None]:
    """Let what is wrong with a prediction begin with what it is called."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OSError) as error:
        if len(error.args) == 1:
            error.args = (f"{what}: {error.args[0]}",)
        raise


def judged_beside(adata: AnnData, key: str) -> None:
    """Raise :class:`KeyError` if there are no maps at all that predictions are judged beside."""
    if not any(has_fit(adata, name) for name in adata.uns):
        raise KeyError(
            f"adata.uns[{key!r}] holds no fitted maps, whose controls and ceilings predictions are judged beside: "
            "cs.tl.cellot(adata, solver='gaussian') makes some in milliseconds."
        )


def named_predictions(given: Mapping[Any, Any], taken: Iterable[str]) -> dict[str, Any]:
    """Return predictions by the name of their model.

    Parameters
    ----------
    given
        AnnData, or paths of files of it.
    taken
        Names that stand for something else in the table of scores.

    Raises
    ------
    TypeError
        If a name is no text, or a prediction something else.
    ValueError
        If a name is empty, or stands for something else.
    """
    from anndata import AnnData

    reserved = {*taken, *RESERVED}
    for model, source in given.items():
        if not isinstance(model, str):
            raise TypeError(f"predictions has the name {model!r}: the name of a model, as text, is needed.")
        if model.strip() in reserved:
            raise ValueError(
                f"predictions[{model!r}]: the name stands for something else in the table of scores: choose another."
            )
        if not isinstance(source, AnnData | str | Path):
            raise TypeError(
                f"predictions[{model!r}] is of type {type(source).__name__}: predicted cells are needed, an AnnData or "
                "the path of its file."
            )
    return dict(given)


def predicts_some(others: np.ndarray, names: Sequence[str], *, any_wanted: bool, key: str) -> None:
    """Raise :class:`ValueError` if no cell is of any of the judged perturbations, given the labels of the others."""
    if not any_wanted:
        had = sorted({str(label) for label in others})
        shown = ", ".join(map(repr, had[:5])) + ", ..." * (len(had) > 5)
        raise ValueError(
            f"adata.obs[{key!r}] has {shown or 'no cell'}, and none of the perturbations that are judged."
            f"{nearest(had[0] if had else '', names)}"
        )


def in_split(parts: np.ndarray, split: str, *, key: str) -> None:
    """Raise :class:`ValueError` if no predicted cell is of the judged split."""
    if not (parts == split).any():
        had = Counter(str(part) for part in parts).most_common(1)[0]
        raise ValueError(
            f"adata.obs[{key!r}] has no cell of split {split!r} that is judged ({had[1]} are {had[0]!r}): predict for "
            "the cells of that split, or, if all are to be judged, leave out the column."
        )


def cells_predicted(most: int, *, split: str) -> None:
    """Raise :class:`ValueError` if no perturbation has two predicted cells."""
    if most < 2:
        raise ValueError(f"adata has {most} cells of any perturbation that is judged on split {split!r}; 2 are needed.")


def has_points(adata: AnnData, name: str, n_dims: int) -> None:
    """Raise :class:`KeyError` unless ``X`` can be points of a space that no expression is projected to."""
    if adata.X is None or adata.n_vars != n_dims:
        raise KeyError(
            f"the maps are on {name!r}, which cs.pp.represent did not make, so that no expression can be put there: "
            f"points in adata.obsm[{name!r}], of {n_dims} dimensions, are needed, or in adata.X, which has "
            f"{adata.n_vars} features.{nearest(name, adata.obsm) if len(adata.obsm) else ''}"
        )


def all_genes(adata: AnnData, genes: Sequence[str], columns: np.ndarray, name: str) -> None:
    """Raise :class:`ValueError` if predicted cells lack genes of the space of the maps.

    Parameters
    ----------
    adata
        The predicted cells.
    genes
        The genes.
    columns
        Where each is, -1 where it is not there.
    name
        What the space is called.
    """
    absent = [gene for gene, at in zip(genes, columns, strict=True) if at < 0]
    if not absent:
        return
    found = {column: len({*genes} & {*map(str, adata.var[column])}) for column in adata.var.columns}
    better = max(found, key=lambda column: found[column], default="")
    if found.get(better, 0) > len(genes) - len(absent):
        remedy = f" adata.var[{better!r}] has {found[better]:,}: make these adata.var_names."
    else:
        points = "" if name == _keys.EXPRESSION else f", or put points of the space into adata.obsm[{name!r}]"
        remedy = f"{nearest(absent[0], adata.var_names)} Predict all of them{points}."
    raise ValueError(
        f"adata.var_names lack {len(absent):,} of the {len(genes):,} genes that the maps were fitted on, such as "
        f"{absent[0]!r}.{remedy}"
    )


def once(twice: Sequence[str]) -> None:
    """Raise :class:`ValueError` if genes are there more than once."""
    if twice:
        raise ValueError(
            f"adata.var_names has {len(twice)} of the genes more than once, such as {twice[0]!r}: leave one of each in."
        )


def predicted_scale(x: Any, measured: Any, *, what: str) -> None:
    """Raise :class:`ValueError` if predicted expression is of another kind, or on another scale, than measured one.

    What is predicted may be smoother than what was measured, and fall a little below 0.

    Parameters
    ----------
    x
        Some predicted cells, dense or sparse, shape ``(n_cells, n_genes)``.
    measured
        Some measured ones, likewise, of the same genes.
    what
        What the predicted expression is called.
    """
    if is_whole(x) and not is_whole(measured):
        raise ValueError(f"{what} {COUNTS}, as that of the measured cells was.")
    sizes = [float(abs(one).mean(dtype=np.float64)) for one in (x, measured)]
    signed = float(measured.min()) < 0
    # of values of both signs around 0, the sum is far less than that of the sizes
    if not signed and sizes[0] > 0 and float(x.mean(dtype=np.float64)) < sizes[0] / 2:
        raise ValueError(
            f"{what} has values down to {float(x.min()):.3g}, about as much below 0 as above, and measured cells have "
            "none below: it was scaled or centred. Give predictions on the scale of the measured cells."
        )
    times = sizes[0] / sizes[1] if sizes[1] else 1.0
    if times > MOST_TIMES or (not signed and times < 1 / MOST_TIMES):
        raise ValueError(
            f"{what} is {sizes[0]:.3g} in the mean, and that of measured cells {sizes[1]:.3g}: it is on another scale. "
            "Give predictions on the scale of the measured cells."
        )
    if not signed and not 1 / TOLD_TIMES < times < TOLD_TIMES:
        # settings load what the shell does without until it fits
        from .._settings import logger

        logger.warning(
            "%s of a prediction is %.3g in the mean, and that of measured cells %.3g: see whether both were normalised "
            "to one sum, and by one logarithm",
            *(what, *sizes),
        )

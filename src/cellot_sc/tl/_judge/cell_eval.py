"""Writes predictions for the evaluation by the cell-eval package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _files, _keys, _validate
from ..._arrays import dense
from ..._chunks import taken
from ..._settings import logger
from .._fit import store


class CellEvalFiles(NamedTuple):
    """The files that :func:`.export_cell_eval` writes."""

    predicted: Path
    """Control cells, and what they are predicted to become."""
    real: Path
    """Control cells and observed treated cells."""


@_validate.takes_adata
def export_cell_eval(
    adata: AnnData,
    folder: str | Path,
    *,
    targets: str | Sequence[str] | None = None,
    key: str = _keys.MODEL,
    split: str = _keys.TEST,
) -> CellEvalFiles:
    """Write predicted and observed cells as the two AnnData files that the cell-eval package expects.

    They are judged by ``cell-eval run -ap predicted.h5ad -ar real.h5ad --pert-col perturbation --control-pert control``
    (with your names of the column and the control). Both files have the same genes and perturbations, and the control
    cells of the split. The predicted file has these after the same round trip through the representation as the
    predictions, so that what the representation loses is not taken for an effect. Genes that were not measured in these
    cells are in neither.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot` on expression (``use_rep="X"``) or on a
        representation that can be decoded. The expression should be log1p-normalised, as cell-eval wants it.
    folder
        Folder to write ``predicted.h5ad`` and ``real.h5ad`` to. It is made if it is not there; files of these names
        are replaced.
    targets
        Perturbation or perturbations, all fitted ones with ``None``.
    key
        Where in ``uns`` the maps are.
    split
        The split whose cells are written: ``"test"``, ``"ood"``, ``"valid"`` or ``"train"``.

    Returns
    -------
    The paths of the two files.

    Raises
    ------
    KeyError
        If there are no fitted maps, representation or decoder.
    OSError
        If the folder cannot be made, such as where a file has its name.
    ValueError
        If a target was not fitted, or the split is unknown or has no control or no treated cells.

    References
    ----------
    cell-eval, https://github.com/ArcInstitute/cell-eval.

    Examples
    --------
    >>> import tempfile
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(path.name for path in cs.tl.export_cell_eval(adata, folder))
    ['predicted.h5ad', 'real.h5ad']
    """
    fitted = store.maps(adata, key).adapted(adata)
    fit = fitted.fit
    chosen = _validate.some_of(targets, fitted.maps, what="target")
    path = Path(folder)
    if file := next((part for part in (path, *path.parents) if part.is_file()), None):
        raise NotADirectoryError(f"folder {str(path)!r} cannot be made, as {str(file)!r} is a file: give another one.")
    labels, judged = fit.labels(adata), fit.judged(adata, split)
    counts = {name: int((judged & (labels == name)).sum()) for name in [fit.control, *chosen]}
    judgeable = _validate.cells_to_judge(counts, fit.control, split=split)
    space = fit.space(adata)
    if not space.is_genes:
        _validate.decoder(adata, space.name)
    names = [fit.control, *judgeable]
    start = np.flatnonzero(judged & (labels == fit.control))
    x, contexts = space.read(start), fit.contexts(adata, start)
    moved = [space.view(points) for points in (x, *(fitted.maps[name].transport(x, contexts) for name in judgeable))]
    expression, is_measured = space.observed(filled=False), space.is_measured
    space.warn_of_filling()

    files = CellEvalFiles(path / "predicted.h5ad", path / "real.h5ad")
    rows = [np.flatnonzero(judged & (labels == name)) for name in names]
    real = taken(expression, np.concatenate(rows))
    features = [name for name, there in zip(space.features, is_measured, strict=True) if there]
    path.mkdir(parents=True, exist_ok=True)
    for file, cells, sizes in (
        (files.predicted, np.concatenate(moved)[:, is_measured], [len(start)] * len(names)),
        (files.real, dense(real), [len(part) for part in rows]),
    ):
        with _files.replacing(file) as new:
            _files.write(_labelled(cells, names, sizes, fit.label_key, features), new)
    logger.info("wrote %s and %s: %d perturbations of split %r", *files, len(judgeable), split)
    return files


def _labelled(
    x: np.ndarray, names: Sequence[str], sizes: Sequence[int], perturbation_key: str, features: list[str]
) -> AnnData:
    """Return cells with nothing but their perturbation."""
    labels = pd.Categorical(np.repeat(np.array(names, dtype=object), sizes), categories=list(names))
    obs = pd.DataFrame({perturbation_key: labels}, index=[f"cell_{i}" for i in range(len(x))])
    return AnnData(x.astype(np.float32), obs=obs, var=pd.DataFrame(index=features))

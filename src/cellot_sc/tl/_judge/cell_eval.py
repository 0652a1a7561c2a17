"""Writes predictions for the evaluation by the packages cell-eval and cell-eval2."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from ... import _files, _keys, _validate
from ..._arrays import dense
from ..._chunks import taken
from ..._settings import logger
from ...pp import Space, to_counts
from .._fit import store
from .._fit.predict import predict

CELL_EVAL, VCC2026 = "cell-eval", "vcc2026"


class CellEvalFiles(NamedTuple):
    """The files that :func:`.export_cell_eval` writes."""

    predicted: Path
    """Control cells, and what they are predicted to become."""
    real: Path
    """Control cells and observed treated cells."""


class _Judged(NamedTuple):
    """Cells of both files: control cells, then those of every perturbation."""

    predicted: Any
    real: Any
    features: list[str]


@_validate.takes_adata
def export_cell_eval(
    adata: AnnData,
    folder: str | Path,
    *,
    preset: Literal["cell-eval", "vcc2026"] = "cell-eval",
    targets: str | Sequence[str] | None = None,
    key: str = _keys.MODEL,
    split: str = _keys.TEST,
    counts_layer: str = _keys.COUNTS,
    seed: int = 0,
) -> CellEvalFiles:
    """Write predicted and observed cells as the two AnnData files that cell-eval or cell-eval2 expects.

    The log says by which command they are judged. Both files have the same genes and perturbations, and the control
    cells of the split; genes that were not measured in these cells are in neither.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot` on expression (``use_rep="X"``) or on a
        representation that can be decoded. The expression should be log1p-normalised.
    folder
        Folder to write ``predicted.h5ad`` and ``real.h5ad`` to. It is made if it is not there; files of these names
        are replaced.
    preset
        What is to judge them. ``"cell-eval"``: that package, which takes logarithms. The predicted file has the control
        cells after the same round trip through the representation as the predictions, so that what the representation
        loses is not taken for an effect; decoded expression does not exceed that of the cells that were learnt from.
        ``"vcc2026"``: the preset of this name of cell-eval2, which takes whole counts and calls genes by Wilcoxon tests
        against observed control cells. Control and observed cells have the counts that were measured, predicted ones
        have those that :func:`cellot_sc.pp.to_counts` draws: compared with observed ones, their noise has to be alike.
    targets
        Perturbation or perturbations, all fitted ones with ``None``. Some metrics of both packages tell perturbations
        apart, and say nothing of one or two. For ``"vcc2026"``, labels should be genes of the data, which it leaves out
        of what it judges by; where none is, the command has an option that says so.
    key
        Where in ``uns`` the maps are.
    split
        The split whose cells are written: ``"test"``, ``"ood"``, ``"valid"`` or ``"train"``.
    counts_layer
        With ``preset="vcc2026"``, the layer with the raw counts.
    seed
        With ``preset="vcc2026"``, the seed of the counts that are drawn.

    Returns
    -------
    The paths of the two files.

    Raises
    ------
    KeyError
        If there are no fitted maps, representation or decoder, or no counts where they are needed.
    OSError
        If the folder cannot be made, such as where a file has its name.
    ValueError
        If the preset is unknown, a target was not fitted, or the split is unknown or has no control or no treated
        cells; where counts are needed, if a gene was not measured, and what :func:`cellot_sc.pp.to_counts` raises.

    References
    ----------
    cell-eval, https://github.com/ArcInstitute/cell-eval. cell-eval2, https://pypi.org/project/cell-eval2.

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
    _validate.one_of(preset, (CELL_EVAL, VCC2026), what="preset")
    seed = _validate.seed(seed)
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
    rows = {name: np.flatnonzero(judged & (labels == name)) for name in [fit.control, *judgeable]}
    if preset == VCC2026:
        cells = _counted(adata, space, rows, key=key, counts_layer=counts_layer, seed=seed)
    else:
        cells = _decoded(adata, fitted, space, rows)
    space.warn_of_filling()

    files = CellEvalFiles(path / "predicted.h5ad", path / "real.h5ad")
    path.mkdir(parents=True, exist_ok=True)
    for file, x, sizes in (
        (files.predicted, cells.predicted, [len(rows[fit.control])] * len(rows)),
        (files.real, cells.real, [len(part) for part in rows.values()]),
    ):
        with _files.replacing(file) as new:
            _files.write(_labelled(x, list(rows), sizes, fit.label_key, cells.features), new)
    command = _command(preset, files, fit.label_key, fit.control, judgeable, cells.features)
    logger.info("wrote %d perturbations of split %r, which are judged by: %s", len(judgeable), split, command)
    return files


def _decoded(adata: AnnData, fitted: store.FittedMaps, space: Space, rows: Mapping[str, np.ndarray]) -> _Judged:
    """Return expression, of which predicted cells and the control cells beside them are decoded."""
    control, *names = rows
    x, contexts = space.read(rows[control]), fitted.fit.contexts(adata, rows[control])
    moved = [space.view(points) for points in (x, *(fitted.maps[name].transport(x, contexts) for name in names))]
    real = taken(space.observed(filled=False), np.concatenate(list(rows.values())))
    features = [name for name, there in zip(space.features, space.is_measured, strict=True) if there]
    return _Judged(np.concatenate(moved)[:, space.is_measured], dense(real), features)


def _counted(
    adata: AnnData, space: Space, rows: Mapping[str, np.ndarray], *, key: str, counts_layer: str, seed: int
) -> _Judged:
    """Return whole counts: those that were measured, and for predicted cells such as could have been."""
    control, *names = rows
    counts = _validate.expression(adata, counts_layer)
    if filled := space.filled:
        raise ValueError(
            f"preset {VCC2026!r} needs counts of all genes that were represented, and {len(filled)} were not measured "
            f"in these cells, such as {filled[0]!r}: preset {CELL_EVAL!r} does without them."
        )
    predicted = predict(adata, names, key=key, cells=rows[control])
    to_counts(predicted, adata, counts_layer=counts_layer, seed=seed)
    genes = adata.var_names.get_indexer(predicted.var_names)
    measured = {name: sparse.csr_matrix(taken(counts, part)[:, genes]) for name, part in rows.items()}
    drawn = predicted.layers[counts_layer]
    return _Judged(
        sparse.vstack([measured[control], drawn], format="csr"),
        sparse.vstack(list(measured.values()), format="csr"),
        predicted.var_names.astype(str).tolist(),
    )


def _command(
    preset: str, files: CellEvalFiles, label_key: str, control: str, names: Sequence[str], features: Sequence[str]
) -> str:
    """Return what is typed into a shell to have the files judged; say what these labels cannot be judged by."""
    given = ["run", "-ap", str(files.predicted), "-ar", str(files.real), "--pert-col", label_key]
    results = ["-o", str(files.real.parent / preset)]
    if preset == CELL_EVAL:
        return shlex.join(["cell-eval", *given, "--control-pert", control, *results])
    options = []
    if not set(names) & set(features):
        logger.warning(
            "no perturbation has the name of a gene of the data, such as %r: cell-eval2 judges them with "
            "--no-target-genes only, which is not the rule of the competition",
            features[0],
        )
        options = ["--no-target-genes"]
    if len(names) == 1:
        logger.warning("with one perturbation, what cell-eval2 says of telling perturbations apart means nothing")
    return shlex.join(["cell-eval2", *given, "--control", control, "--preset", VCC2026, *results, *options])


def _labelled(
    x: Any, names: Sequence[str], sizes: Sequence[int], perturbation_key: str, features: list[str]
) -> AnnData:
    """Return cells with nothing but their perturbation."""
    labels = pd.Categorical(np.repeat(np.array(names, dtype=object), sizes), categories=list(names))
    obs = pd.DataFrame({perturbation_key: labels}, index=[f"cell_{i}" for i in range(x.shape[0])])
    return AnnData(x.astype(np.float32), obs=obs, var=pd.DataFrame(index=features))

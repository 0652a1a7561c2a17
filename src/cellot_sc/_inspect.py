"""What a file of cells holds, in words: its columns, what its numbers look like, its fits, and what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _files, _keys
from ._validate import _predictions
from ._validate._controls import condition, place, plain, sizes_of

if TYPE_CHECKING:
    import pandas as pd

CONTEXTS = {
    "cell type": ("celltype", "cluster", "leiden", "louvain", "annotation", "cellline", "tissue"),
    "unit": ("patient", "donor", "subject", "individual", "mouse", "animal", "replicate", "sample", "batch"),
}
"""What is in the names of columns that have effects of their own, or are units that were treated."""
ROWS, PARTS = 500, 5
"""How many cells are looked at, in how many parts of the file."""
COLUMNS, EXAMPLES, LONGEST = 40, 4, 40
COUNTS, LARGE = "whole numbers", "not log1p-transformed"
"""How what is said of a matrix begins that has to be transformed first."""
PREDICTION = "prediction"
"""What an entry of ``uns`` is that says what cells were predicted by."""
LOGARITHM = 15.0
"""No log1p of normalised counts is larger: that would be three million of them."""


def describe_cells(path: Path) -> str:
    """Return what an ``.h5ad`` file or a ``.zarr`` folder holds, in lines of text.

    Columns are read whole, and a few hundred cells of the matrices.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    ValueError
        If it holds no AnnData, or cannot be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> import cellot_sc as cs
    >>> from cellot_sc._inspect import describe_cells
    >>> path = Path(mkdtemp()) / "cells.h5ad"
    >>> cs.datasets.simulate(90, 20).write_h5ad(path)
    >>> print(describe_cells(path))
    /.../cells.h5ad: 90 cells x 20 features
    ...
    perturbation: obs['perturbation'], control 'control' (30 of 90 cells)
    ...
    """
    _files.check_input(path)
    with _files.as_cells(path), _files.opened(path) as file:
        from anndata.io import read_elem

        obs = read_elem(file["obs"])
        var = file["var"]
        n_features = len(read_elem(var[var.attrs["_index"]]))
        lines = [f"{path}: {len(obs):,} cells x {n_features:,} features"]
        kind = _matrix(file, "X")
        lines += [f"X: {kind}"] if kind else ["X: none"]
        lines += [f"layers[{_shown(name)}]: {_matrix(file, f'layers/{name}')}" for name in file.get("layers", ())]
        spaces = {name: file["obsm"][name] for name in file.get("obsm", ())}
        if spaces:
            widths = (f"{_shown(name)} ({_width(space)})" for name, space in spaces.items())
            lines.append(f"obsm: {', '.join(widths)}")
        kept = {name: _kept(file["uns"][name]) for name in file.get("uns", ())}
    labels = {str(name): sizes_of(obs[name]) for name in obs.columns}
    lines += ["obs:", *_columns(obs, labels)]
    made = next((name for name, what in kept.items() if what == PREDICTION), None)
    if made is not None:
        others = [f"uns[{_shown(name)}]: {what}" for name, what in kept.items() if what not in ("", "fit", PREDICTION)]
        return "\n".join([*lines, *others, f"uns[{_shown(made)}]: {_prediction(path, made)}"])
    column, control = condition(labels)
    contexts = {} if column is None or control is None else _contexts(obs, labels, column, control)
    lines += _roles(obs, labels, column, control, contexts)
    is_untreated = column is not None and control is not None and len(labels[column] or ()) == 1
    fits = [name for name, what in kept.items() if what == "fit"]
    lines += [f"uns[{_shown(name)}]: {what}" for name, what in kept.items() if what not in ("", "fit")]
    lines += [f"uns[{_shown(name)}]: {_fit(path, name)}" for name in fits]
    steps = [*_next(path, kind, column, control, contexts, fits, is_untreated=is_untreated)]
    if control is None and not fits and (course := _course(path, obs)):
        steps[-1] = course
    return "\n".join([*lines, *steps])


def _course(path: Path, obs: pd.DataFrame) -> str:
    """Return what is typed for cells of several times, no text if these are not of any."""
    if _keys.TIME not in obs or obs[_keys.TIME].nunique() < 2:
        return ""
    groupby = ["--groupby", _keys.CELL_TYPE] if _keys.CELL_TYPE in obs else []
    return "  " + shlex.join(["cellot-sc", "trajectory", str(path), f"times{path.suffix}", *groupby])


def _shown(name: object) -> str:
    """Return a name as Python writes it, cut if it is long."""
    text = repr(str(name))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}...'"


def _matrix(file: Any, name: str) -> str:
    """Return what the numbers of a matrix look like, from a few hundred of its cells; no text if there is none."""
    if name not in file or file[name].attrs.get("encoding-type") == "null":
        return ""
    x = _sample(file[name])
    if x is None or x.dtype.kind not in "biuf":
        return "no matrix of numbers"
    if x.size == 0:
        return "no numbers"
    least, most = float(x.min()), float(x.max())
    seen = f"{least:.3g} to {most:.3g}"
    if not np.isfinite([least, most]).all():
        return "holds NaN or inf"
    if least < 0:
        return f"scaled or centred, {seen}"
    if not (x % 1).any():
        return f"{COUNTS}, as counts are, {seen}"
    if most > LOGARITHM:
        return f"{LARGE}, as it seems, {seen}"
    return f"log1p-normalised, as it seems, {seen}"


def _sample(kept: Any) -> np.ndarray | None:
    """Return numbers of a few parts of a matrix; of a sparse one, those that are kept and a 0."""
    from anndata.io import sparse_dataset

    kind = str(kept.attrs.get("encoding-type", ""))
    sparse = kind in ("csr_matrix", "csc_matrix")
    if not sparse and not hasattr(kept, "dtype"):
        return None
    x = sparse_dataset(kept) if sparse else kept
    if len(x.shape) != 2:
        return None
    # what lies together is read fast: rows, but columns of what is kept by columns
    length = x.shape[1] if kind == "csc_matrix" else x.shape[0]
    n = min(ROWS // PARTS, length)
    starts = sorted({int(start) for start in np.linspace(0, length - n, PARTS)})
    parts = [x[:, start : start + n] if kind == "csc_matrix" else x[start : start + n] for start in starts]
    return np.concatenate([np.append(part.data, part.dtype.type(0)) if sparse else part.ravel() for part in parts])


def _width(space: Any) -> str:
    shape = getattr(space, "shape", None) or space.attrs.get("shape", ())
    return "x".join(str(n) for n in shape[1:]) or "table"


def _kept(entry: Any) -> str:
    """Return what an entry of ``uns`` is if it is of this package."""
    if not hasattr(entry, "keys"):
        return ""
    names = set(entry.keys())
    if {"maps", "history"} <= names:
        return "fit"
    if set(_predictions.NEEDED) <= names:
        return PREDICTION
    if {"method", "var_names"} <= names:
        from anndata.io import read_elem

        return (
            f"representation by {str(read_elem(entry['method']))[:LONGEST]} of {entry['var_names'].shape[0]:,} features"
        )
    return ""


def _fit(path: Path, key: str) -> str:
    """Return what a fit says of itself."""
    from anndata import AnnData
    from anndata.io import read_elem

    from . import tl

    with _files.as_cells(path), _files.opened(path) as file:
        kept = AnnData(shape=(1, 1), uns={key: read_elem(file["uns"][key])})
    try:
        return repr(tl.maps(kept, key).fit)
    except (KeyError, ValueError) as error:
        return str(error.args[0])


def _prediction(path: Path, key: str) -> str:
    """Return what predicted cells were predicted of, by what and in what space."""
    from anndata.io import read_elem

    with _files.as_cells(path), _files.opened(path) as file:
        made = read_elem(file["uns"][key])
    targets = [_shown(name) for name in np.atleast_1d(made["targets"])]
    listed = ", ".join(targets[:EXAMPLES]) + ", ..." * (len(targets) > EXAMPLES)
    by = f", by {_shown(made['solver'])}" if "solver" in made else ""
    where = f"decoded from {_shown(made['use_rep'])}" if made["decoded"] else f"points in {_shown(made['use_rep'])}"
    return f"predicted cells, {_shown(made['control'])} to {listed}{by}, {where}; no map can be fitted to these"


def _columns(obs: pd.DataFrame, labels: Mapping[str, Mapping[str, int] | None]) -> Iterator[str]:
    width = min(LONGEST, max([0, *(len(_shown(name)) for name in [*labels][:COLUMNS])]))
    for name in [*labels][:COLUMNS]:
        sizes, column = labels[name], obs[name]
        if sizes is not None:
            what = f"{len(sizes):,} {'category' if len(sizes) == 1 else 'categories'}: " + ", ".join(
                f"{_shown(label)} ({n:,})" for label, n in [*sizes.items()][:EXAMPLES]
            )
            what += ", ..." * (len(sizes) > EXAMPLES)
        elif column.dtype.kind in "iuf" and column.notna().any():
            what = f"numbers, {column.min():.4g} to {column.max():.4g}"
        else:
            what = f"{column.nunique():,} different values"
        missing = int(column.isna().sum())
        yield f"  {_shown(name):<{width}}  {what}" + f"; missing in {missing:,} cells" * (missing > 0)
    if len(labels) > COLUMNS:
        yield f"  and {len(labels) - COLUMNS:,} more columns"


def _contexts(
    obs: pd.DataFrame, labels: Mapping[str, Mapping[str, int] | None], column: str, control: str
) -> dict[str, tuple[str, int, int]]:
    """Return, by column, what a context it is, how many categories it has and how many of these are on both sides."""
    untreated = obs[column].astype(str) == control
    contexts: dict[str, tuple[str, int, int]] = {}
    for kind, words in CONTEXTS.items():
        # what is called just so before what only has it in its name
        for name in sorted(labels, key=lambda name: (plain(name) not in words, place(name, words))):
            sizes = labels[name] or {}
            if name not in (column, *contexts) and len(sizes) > 1 and place(name, words) < len(words):
                sides = untreated.groupby(obs[name].astype(str)).nunique()
                contexts[name] = (kind, len(sizes), sum(int(sides.get(label, 0)) == 2 for label in sizes))
    return contexts


def units(obs: pd.DataFrame, column: str, control: str) -> list[str]:
    """Return the columns that are called as what is treated as a whole, such as mice: what is called just so first.

    Parameters
    ----------
    obs
        Columns of the cells.
    column
        The one that says how a cell was treated.
    control
        What it calls those that were not.
    """
    if not obs.columns.is_unique:
        return []
    found = _contexts(obs, {str(name): sizes_of(obs[name]) for name in obs.columns}, column, control)
    return [name for name, (kind, *_) in found.items() if kind == "unit"]


def _roles(
    obs: pd.DataFrame,
    labels: Mapping[str, Mapping[str, int] | None],
    column: str | None,
    control: str | None,
    contexts: Mapping[str, tuple[str, int, int]],
) -> Iterator[str]:
    if column is None:
        yield "perturbation: no column has a category that is called as untreated cells are (control, DMSO, ...)"
    elif control is None:
        yield f"perturbation: obs[{_shown(column)}] by its name, but no category of it is called as untreated cells are"
    else:
        n_control = (labels[column] or {})[control]
        yield f"perturbation: obs[{_shown(column)}], control {_shown(control)} ({n_control:,} of {len(obs):,} cells)"
    for name, (kind, n, both) in contexts.items():
        yield f"{kind}: obs[{_shown(name)}], {n:,} categories, {both:,} of them with control and other cells"


def _next(
    path: Path,
    kind: str,
    column: str | None,
    control: str | None,
    contexts: Mapping[str, tuple[str, int, int]],
    fits: list[str],
    *,
    is_untreated: bool,
) -> Iterator[str]:
    yield "next:"
    if fits:
        key = [] if fits[0] == _keys.MODEL else ["--key", fits[0]]
        if not is_untreated:
            yield "  " + shlex.join(["cellot-sc", "report", str(path), *key])
        yield "  " + shlex.join(["cellot-sc", "predict", str(path), f"predicted{path.suffix}", *key])
        return
    if kind.startswith(COUNTS) and is_untreated:
        yield "  normalise the counts and take log1p: sc.pp.normalize_total(adata); sc.pp.log1p(adata)"
    elif kind.startswith(LARGE):
        yield "  transform the numbers: log1p of normalised counts (--log1p), arcsinh of cytometry"
    if is_untreated:
        words, flag = ["cellot-sc", "predict", "MODEL", str(path), f"predicted{path.suffix}"], "--control-key"
    else:
        words, flag = ["cellot-sc", "fit", str(path), f"fitted{path.suffix}"], "--perturbation-key"
    words += [] if column == _keys.PERTURBATION else [flag, column or "COLUMN"]
    words += [] if control == _keys.CONTROL else ["--control", control or "NAME"]
    chosen = [name for name, (what, _, both) in contexts.items() if what == "cell type" and both > 1][:1]
    words += [word for name in chosen for word in ("--context", name)]
    words += ["--normalize", "--log1p"] if kind.startswith(COUNTS) and not is_untreated else []
    yield "  " + shlex.join(words)

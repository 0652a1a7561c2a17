"""Every check on user input, and the words of every error.

Each function either returns the checked value or raises. None changes what it was given, so an AnnData that fails
validation is left as it was.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from . import _keys

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

MIN_TRAIN_CELLS = 10
"""Fewer train cells than this in a condition cannot define a distribution."""
FIGURE_SUFFIXES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".eps", ".ps")
"""How the files of figures end."""


def nearest(name: object, valid: Iterable[object]) -> str:
    """Return the sentence that names the nearest of ``valid``, and then all of them if they are few."""
    names = [str(v) for v in valid]
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.4)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    if not names:
        return f"{hint} There are none."
    shown = ", ".join(repr(n) for n in names[:20]) + (", ..." if len(names) > 20 else "")
    return f"{hint} Valid: {shown}."


def one_of(value: object, valid: Iterable[object], *, what: str) -> Any:
    """Return ``value`` if it is among ``valid``; raise :class:`ValueError` with the nearest name otherwise."""
    options = list(valid)
    if value not in options:
        msg = f"{what} {value!r} is unknown.{nearest(value, options)}"
        raise ValueError(msg)
    return value


def obs_key(adata: AnnData, key: str, *, what: str = "column") -> pd.Series:
    """Return ``adata.obs[key]``; raise :class:`KeyError` with the nearest column otherwise."""
    if key not in adata.obs:
        msg = f"{what} {key!r} is not in adata.obs.{nearest(key, adata.obs.columns)}"
        raise KeyError(msg)
    return adata.obs[key]


def perturbation_labels(adata: AnnData, perturbation_key: str, control: str) -> np.ndarray:
    """Return the label of every cell as an array of ``str``, of which ``control`` is one.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a label is missing, or no cell carries ``control``.
    """
    column = obs_key(adata, perturbation_key, what="perturbation_key")
    if column.isna().any():
        msg = f"adata.obs[{perturbation_key!r}] is missing for {int(column.isna().sum())} cells: drop or label them."
        raise ValueError(msg)
    labels = column.astype(str).to_numpy(dtype=object)
    if control not in set(labels):
        hint = nearest(control, sorted(set(labels)))
        msg = f"control {control!r} is not a category of adata.obs[{perturbation_key!r}].{hint}"
        raise ValueError(msg)
    return labels


def targets(labels: np.ndarray, control: str, wanted: str | Sequence[str] | None) -> list[str]:
    """Return the perturbations to work on: ``wanted``, or every label but ``control``, sorted.

    Raises
    ------
    ValueError
        If a wanted perturbation has no cell, is the control itself or is named twice, or nothing is left.
    """
    others = sorted(set(labels) - {control})
    if not others:
        msg = f"Every cell is {control!r}: there is no perturbation to learn."
        raise ValueError(msg)
    if wanted is None:
        return others
    names = [wanted] if isinstance(wanted, str) else [str(w) for w in wanted]
    if not names:
        msg = "targets is empty: give at least one perturbation, or None for all of them."
        raise ValueError(msg)
    for name in names:
        one_of(name, others, what="target")
    if len(set(names)) < len(names):
        msg = f"targets names a perturbation twice: {names}."
        raise ValueError(msg)
    return names


def split_labels(adata: AnnData, split_key: str) -> np.ndarray:
    """Return the split of every cell as an array of ``str``.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a cell has a label that is not one of train, valid, test, ood.
    """
    column = obs_key(adata, split_key, what="split_key")
    labels = column.astype(str).to_numpy(dtype=object)
    unknown = sorted(set(labels) - set(_keys.SPLITS))
    if unknown:
        msg = f"adata.obs[{split_key!r}] has labels that are no split: {unknown[:5]}. Valid: {', '.join(_keys.SPLITS)}."
        raise ValueError(msg)
    return labels


def enough_cells(n_cells: int, *, what: str) -> None:
    """Raise :class:`ValueError` if ``what`` has fewer train cells than :data:`MIN_TRAIN_CELLS`."""
    if n_cells < MIN_TRAIN_CELLS:
        msg = f"{what} has {n_cells} train cells; at least {MIN_TRAIN_CELLS} are needed."
        raise ValueError(msg)


def matrix(x: Any, *, what: str) -> Any:
    """Return ``x``; raise :class:`ValueError` if it is not of shape (n_cells, n_dims)."""
    if len(x.shape) != 2 or x.shape[1] == 0:
        msg = f"{what} has shape {tuple(x.shape)}; (n_cells, n_dims) is needed."
        raise ValueError(msg)
    return x


def finite(x: np.ndarray, *, what: str) -> np.ndarray:
    """Return ``x``; raise :class:`ValueError` if it holds NaN or inf."""
    bad = ~np.isfinite(x)
    if bad.any():
        msg = f"{what} holds NaN or inf in {int(bad.any(axis=-1).sum())} of {x.shape[0]} cells: remove or impute them."
        raise ValueError(msg)
    return x


def representation_key(adata: AnnData, use_rep: str) -> str:
    """Return ``use_rep`` if it is ``"X"`` or in ``adata.obsm``; raise :class:`KeyError` with the nearest otherwise."""
    if use_rep != _keys.EXPRESSION and use_rep not in adata.obsm:
        valid = [*adata.obsm, _keys.EXPRESSION]
        msg = f"use_rep {use_rep!r} is not in adata.obsm.{nearest(use_rep, valid)}"
        raise KeyError(msg)
    return use_rep


def free_uns_key(key: str, use_rep: str, *, what: str) -> None:
    """Raise :class:`ValueError` if ``key``, which is to be written to ``uns``, is where a decoder is kept."""
    if key == use_rep:
        msg = f"{what} {key!r} would overwrite the decoder of the representation of that name: choose another name."
        raise ValueError(msg)


def positive(value: float, *, what: str, integer: bool = False) -> Any:
    """Return ``value`` if it is a positive number (a whole one if ``integer``); raise :class:`ValueError` otherwise."""
    ok = isinstance(value, int | np.integer) if integer else isinstance(value, int | float | np.number)
    if isinstance(value, bool) or not ok or not value > 0:
        msg = f"{what} is {value!r}; a positive {'whole ' if integer else ''}number is needed."
        raise ValueError(msg)
    return value


def fraction(value: float, *, what: str) -> float:
    """Return ``value`` if it lies in [0, 1); raise :class:`ValueError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < 1:
        msg = f"{what} is {value!r}; a number in [0, 1) is needed."
        raise ValueError(msg)
    return float(value)


def unique_obs_names(adata: AnnData) -> None:
    """Raise :class:`ValueError` if two cells share a name."""
    if not adata.obs_names.is_unique:
        twice = adata.obs_names[adata.obs_names.duplicated()][:3].tolist()
        msg = f"adata.obs_names are not unique ({twice} ...): call adata.obs_names_make_unique() first."
        raise ValueError(msg)


def no_unknown(given: Mapping[str, Any], valid: Iterable[str], *, what: str) -> None:
    """Raise :class:`TypeError` if ``given`` has a name that is not among ``valid``."""
    options = sorted(valid)
    for name in given:
        if name not in options:
            msg = f"{what} has no option {name!r}.{nearest(name, options)}"
            raise TypeError(msg)


def writable(path: Path, *, overwrite: bool) -> Path:
    """Return ``path``; raise :class:`FileExistsError` if it exists and may not be overwritten."""
    if path.exists() and not overwrite:
        msg = f"{path} exists; --overwrite replaces it."
        raise FileExistsError(msg)
    return path


def positive_weights(weights: Any, n_dims: int, *, what: str) -> np.ndarray:
    """Return the weights as float32; raise :class:`ValueError` if they are not a positive number per dimension."""
    try:
        array = np.asarray(weights, dtype=np.float32)
    except (TypeError, ValueError):
        msg = f"{what} are no numbers: {n_dims} positive finite numbers are needed."
        raise ValueError(msg) from None
    if array.shape != (n_dims,) or not np.isfinite(array).all() or (array <= 0).any():
        msg = f"{what} of shape {array.shape}: {n_dims} positive finite numbers are needed."
        raise ValueError(msg)
    return array


def group_codes(adata: AnnData, key: str, *, what: str) -> np.ndarray:
    """Return the categories of ``adata.obs[key]`` as integers.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a cell has no category.
    """
    column = obs_key(adata, key, what=what)
    if column.isna().any():
        msg = f"adata.obs[{key!r}] is missing for {int(column.isna().sum())} cells: drop or label them."
        raise ValueError(msg)
    return column.astype("category").cat.codes.to_numpy(dtype=np.int64)


def cell_positions(adata: AnnData, cells: Any) -> np.ndarray:
    """Return positions of the chosen cells, given as a boolean mask, names or positions.

    Raises
    ------
    KeyError
        If a name is unknown.
    IndexError
        If a position is out of range.
    ValueError
        If a mask does not have one entry per cell, or no cell is chosen.
    """
    chosen = np.asarray(cells)
    if chosen.ndim != 1 or chosen.size == 0:
        msg = f"cells has shape {chosen.shape}: a mask, names or positions of at least one cell are needed."
        raise ValueError(msg)
    if chosen.dtype == bool:
        if chosen.size != adata.n_obs:
            msg = f"cells is a mask of {chosen.size} cells; adata has {adata.n_obs}."
            raise ValueError(msg)
        if not chosen.any():
            msg = "cells is a mask that chooses no cell."
            raise ValueError(msg)
        return np.flatnonzero(chosen)
    if np.issubdtype(chosen.dtype, np.integer):
        bad = chosen[(chosen < -adata.n_obs) | (chosen >= adata.n_obs)]
        if bad.size:
            msg = f"cells has position {bad[0]}; adata has {adata.n_obs} cells."
            raise IndexError(msg)
        return chosen % adata.n_obs
    positions = adata.obs_names.get_indexer(chosen.astype(str))
    if (positions < 0).any():
        name = str(chosen[positions < 0][0])
        msg = f"cell {name!r} is not in adata.obs_names.{nearest(name, adata.obs_names)}"
        raise KeyError(msg)
    return positions


def at_least(value: int, least: int, *, what: str, why: str) -> int:
    """Return ``value`` if it is ``least`` or more; raise :class:`ValueError` otherwise."""
    if value < least:
        msg = f"{what} is {value}; at least {least} are needed: {why}."
        raise ValueError(msg)
    return value


def seed(value: int) -> int:
    """Return ``value`` if it is a whole number, 0 or more; raise :class:`ValueError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        msg = f"seed is {value!r}; a whole number, 0 or more, is needed."
        raise ValueError(msg)
    return int(value)


def new_names(names: str | Sequence[str], *, reserved: str, what: str) -> list[str]:
    """Return the names to be given to something new: ``names``, or the one name it is.

    Raises
    ------
    ValueError
        If there is none, one is given twice, is ``reserved``, or cannot be part of a key of an AnnData.
    """
    given = [names] if isinstance(names, str) else list(names)
    if not given:
        msg = f"{what} is empty: give at least one name."
        raise ValueError(msg)
    for name in given:
        if not isinstance(name, str) or not name or "/" in name:
            msg = f"{what} has {name!r}: a name is text that is not empty and has no '/'."
            raise ValueError(msg)
    if reserved in given:
        msg = f"{what} has {reserved!r}, which names the other cells: choose another name."
        raise ValueError(msg)
    if len(set(given)) < len(given):
        msg = f"{what} names one twice: {given}."
        raise ValueError(msg)
    return given


def categories(adata: AnnData, key: str, *, what: str) -> tuple[list[str], np.ndarray]:
    """Return the sorted categories of ``what``'s ``obs[key]`` and the index of each cell's among them.

    Raises
    ------
    ValueError
        If a cell has none.
    """
    column = adata.obs[key]
    if column.isna().any():
        msg = f"{what}.obs[{key!r}] is missing for {int(column.isna().sum())} cells: drop or label them."
        raise ValueError(msg)
    labels, codes = np.unique(column.astype(str).to_numpy(dtype=object), return_inverse=True)
    return [str(label) for label in labels], codes


def finite_expression(x: Any, *, what: str) -> Any:
    """Return the dense or sparse matrix ``x``; raise :class:`ValueError` if it holds NaN or inf."""
    if hasattr(x, "tocoo"):
        bad = ~np.isfinite(x.data)
        rows = np.unique(x.tocoo().row[bad]) if bad.any() else ()
    else:
        rows = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if len(rows):
        msg = f"{what} holds NaN or inf in {len(rows)} of {x.shape[0]} cells: remove or impute them."
        raise ValueError(msg)
    return x


def log_expression(adata: AnnData, *, what: str) -> tuple[Any, pd.Index]:
    """Return log1p-normalised expression and its genes: ``X`` or, if that has negative values, ``raw.X``.

    Raises
    ------
    ValueError
        If neither is there without negative values, it has NaN or inf, or it looks like counts.
    """
    sources: list[Any] = [s for s in (adata, adata.raw) if s is not None and s.X is not None]
    source = next((s for s in sources if 0 not in s.X.shape and not s.X.min() < 0), None)
    if source is None:
        msg = f"{what} has no expression without negative values in X or raw.X: log1p of normalised counts is needed."
        raise ValueError(msg)
    x = finite_expression(source.X, what=f"{what}.X")
    if not ((x.data if hasattr(x, "tocoo") else x) % 1).any():
        msg = f"{what}.X holds whole numbers only, as counts do: normalise it and take log1p."
        raise ValueError(msg)
    return x, source.var_names


def leaves_some(test_fraction: float, valid_fraction: float) -> None:
    """Raise :class:`ValueError` if the two fractions leave nothing to train on."""
    if test_fraction + valid_fraction >= 1:
        msg = f"test_fraction {test_fraction} and valid_fraction {valid_fraction} leave no cell to train on."
        raise ValueError(msg)


def not_read(key: str, keys: Iterable[str], *, what: str) -> None:
    """Raise :class:`ValueError` if ``key``, which is to be written, is one of the ``obs`` columns that are read."""
    if key in keys:
        msg = f"{what} {key!r} would overwrite a column of adata.obs that is read: choose another name."
        raise ValueError(msg)


def held_out(adata: AnnData, holdout: Any) -> np.ndarray:
    """Return which cells are in any of the groups ``holdout`` names, as a boolean mask.

    Raises
    ------
    TypeError
        If ``holdout`` is not a mapping.
    KeyError
        If a column is missing.
    ValueError
        If no value is given for a column, or no cell has one that is.
    """
    if holdout is not None and not isinstance(holdout, Mapping):
        msg = f"holdout is {holdout!r}; columns of adata.obs and their values are needed, such as {{'patient': '101'}}."
        raise TypeError(msg)
    mask = np.zeros(adata.n_obs, dtype=bool)
    for key, given in (holdout or {}).items():
        column = obs_key(adata, key, what="holdout column")
        values = [str(v) for v in ([given] if isinstance(given, str) or not isinstance(given, Iterable) else given)]
        if not values:
            msg = f"holdout names no value of adata.obs[{key!r}]: give at least one."
            raise ValueError(msg)
        labels = column.astype(str).to_numpy(dtype=object)
        known = column.notna().to_numpy(dtype=bool)
        for value in values:
            one_of(value, sorted(set(labels[known])), what=f"holdout value of adata.obs[{key!r}]")
        mask |= known & np.isin(labels, np.array(values, dtype=object))
    return mask


def expression(adata: AnnData, layer: str | None) -> Any:
    """Return ``adata.layers[layer]``, or ``adata.X`` for ``None``.

    Raises
    ------
    KeyError
        If the layer is missing.
    ValueError
        If there is no ``X``, or NaN or inf in what is returned.
    """
    layers = [name for name in adata.layers.keys() if name is not None]
    if layer is not None and layer not in layers:
        msg = f"layer {layer!r} is not in adata.layers.{nearest(layer, layers)}"
        raise KeyError(msg)
    x: Any = adata.X if layer is None else adata.layers[layer]
    if x is None:
        msg = "adata.X is None: give the layer that holds the expression."
        raise ValueError(msg)
    return finite_expression(x, what="adata.X" if layer is None else f"adata.layers[{layer!r}]")


def not_constant(x: Any, *, what: str) -> None:
    """Raise :class:`ValueError` if all rows of the dense or sparse matrix ``x`` are the same."""
    low, high = (m.toarray() if hasattr(m, "toarray") else m for m in (x.min(axis=0), x.max(axis=0)))
    if (low == high).all():
        msg = f"{what} is the same in all of them: there is nothing to represent."
        raise ValueError(msg)


def has_decoder(adata: AnnData, key: str) -> bool:
    """Return whether :func:`cellot_sc.pp.represent` kept a decoder under ``key``."""
    found = adata.uns.get(key)
    return isinstance(found, Mapping) and {"method", "var_names"} <= set(found)


def decoder(adata: AnnData, key: str) -> Mapping[str, Any]:
    """Return the decoder that :func:`cellot_sc.pp.represent` kept under ``key``.

    Raises
    ------
    KeyError
        If there is none.
    ValueError
        If it was fitted on other genes.
    """
    known = [k for k in adata.uns if has_decoder(adata, k)]
    if key not in known:
        msg = (
            f"There is no decoder in adata.uns[{key!r}]: only representations made by cs.pp.represent can be decoded."
            f"{nearest(key, known)}"
        )
        raise KeyError(msg)
    found: Mapping[str, Any] = adata.uns[key]
    genes = [str(name) for name in found["var_names"]]
    if genes != [str(name) for name in adata.var_names]:
        absent = sorted(set(genes) - set(adata.var_names))
        how = f"{len(absent)} of them are absent, such as {absent[0]!r}" if absent else "their number or order differs"
        msg = f"adata.uns[{key!r}] was fitted on {len(genes)} genes, which are not the {adata.n_vars} of adata: {how}."
        raise ValueError(msg)
    return found


def points(x: Any, *, n_dims: int, what: str) -> np.ndarray:
    """Return ``x`` as a float32 array of shape (n_cells, n_dims).

    Raises
    ------
    ValueError
        If it has another shape, or holds NaN or inf.
    """
    array = np.asarray(x, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != n_dims:
        msg = f"{what} has shape {array.shape}; (n_cells, {n_dims}) is needed, as its decoder has {n_dims} dimensions."
        raise ValueError(msg)
    return finite(array, what=what)


def some_of(wanted: str | Iterable[str], valid: Iterable[str], *, what: str) -> list[str]:
    """Return the wanted names, each once, if all are among ``valid``.

    Raises
    ------
    ValueError
        If one is unknown, or there is none.
    """
    names = list(dict.fromkeys([wanted] if isinstance(wanted, str) else wanted))
    options = list(valid)
    if not names:
        msg = f"{what} is empty: give at least one.{nearest('', options)}"
        raise ValueError(msg)
    for name in names:
        one_of(name, options, what=what)
    return names


def group_labels(adata: AnnData, key: str, *, reserved: Iterable[str]) -> np.ndarray:
    """Return the group of every cell as an array of ``str``, empty where ``adata.obs[key]`` has none.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a category has a ``reserved`` name.
    """
    column = obs_key(adata, key, what="groupby")
    labels = np.where(column.isna(), "", column.astype(str).to_numpy(dtype=object))
    taken = sorted(set(labels) & set(reserved))
    if taken:
        msg = f"groupby {key!r} has a category {taken[0]!r}, which names a summary of groups: rename it."
        raise ValueError(msg)
    return labels


def cells_to_judge(counts: Mapping[str, int], control: str, *, split: str) -> list[str]:
    """Return the perturbations that have cells to be judged by, given the number of cells of each in the split.

    Raises
    ------
    ValueError
        If there are fewer than 2 control cells, or no perturbation has 2.
    """
    judged = [name for name, n_cells in counts.items() if name != control and n_cells > 1]
    if counts[control] < 2 or not judged:
        had = ", ".join(f"{n_cells} of {name!r}" for name, n_cells in counts.items())
        msg = f"split {split!r} has {had}: 2 control cells and 2 of a perturbation are needed to judge by."
        raise ValueError(msg)
    return judged


def panels(n_axes: int, n_panels: int) -> None:
    """Raise :class:`ValueError` if there are not as many axes as panels to draw."""
    if n_axes != n_panels:
        msg = f"ax holds {n_axes} axes for {n_panels} panels: give {n_panels}, or None for a new figure."
        raise ValueError(msg)


def figure_file(path: str | Path | None) -> None:
    """Raise :class:`ValueError` if ``path`` does not end as a figure's file does, or its folder is not there."""
    if path is None:
        return
    file = Path(path)
    if file.suffix.lower() not in FIGURE_SUFFIXES:
        msg = f"save {str(path)!r} is no figure's file.{nearest(file.suffix, FIGURE_SUFFIXES)}"
        raise ValueError(msg)
    if not file.parent.is_dir():
        msg = f"save {str(path)!r}: the folder {str(file.parent)!r} does not exist."
        raise ValueError(msg)


def feature_names(wanted: str | Sequence[str], valid: Sequence[str]) -> list[str]:
    """Return the wanted features; raise :class:`KeyError` with the nearest name if one is not there.

    Raises
    ------
    KeyError
        If a feature is not among ``valid``.
    ValueError
        If none is wanted, or one twice.
    """
    names = [wanted] if isinstance(wanted, str) else [str(name) for name in wanted]
    if not names:
        msg = "features is empty: give at least one, or None for the most changed ones."
        raise ValueError(msg)
    for name in names:
        if name not in set(valid):
            msg = f"feature {name!r} is not there.{nearest(name, valid)}"
            raise KeyError(msg)
    if len(set(names)) < len(names):
        msg = f"features names one twice: {names}."
        raise ValueError(msg)
    return names


def has_history(n_rows: int, *, solver: str, key: str) -> None:
    """Raise :class:`ValueError` if maps have no history."""
    if not n_rows:
        msg = f"The maps in adata.uns[{key!r}] have no history: solver {solver!r} took no steps."
        raise ValueError(msg)


def side_by_side(color: str, *, overlay: bool) -> None:
    """Raise :class:`ValueError` if a column is to colour cells whose colours say what they are."""
    if overlay:
        msg = f"color {color!r} needs overlay=False: the colours of overlaid cells say which are predicted."
        raise ValueError(msg)


def table_columns(table: pd.DataFrame, needed: Iterable[str]) -> None:
    """Raise :class:`KeyError` if a table of scores lacks a column."""
    for column in needed:
        if column not in table.columns:
            hint = nearest(column, table.columns)
            msg = f"table has no column {column!r}: one made by cs.tl.evaluate is needed.{hint}"
            raise KeyError(msg)


def _suffix(path: Path, suffixes: Sequence[str]) -> None:
    if path.suffix not in suffixes:
        msg = f"{path} ends in {path.suffix!r}.{nearest(path.suffix, suffixes)}"
        raise ValueError(msg)


def input_file(path: Path, suffixes: Sequence[str]) -> None:
    """Check that there is a file to read.

    Raises
    ------
    FileNotFoundError
        If there is not; names the nearest one in its folder.
    ValueError
        If its name does not end in one of ``suffixes``.
    """
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir() if p.suffix in suffixes] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.4)
        hint = f" Did you mean {str(path.with_name(close[0]))!r}?" if close else ""
        msg = f"{path} does not exist.{hint}"
        raise FileNotFoundError(msg)
    _suffix(path, suffixes)


def unreadable(path: Path, error: Exception) -> NoReturn:
    """Raise :class:`ValueError`: ``path`` is there, but reading it ended in ``error``."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    msg = f"{path} cannot be read as {path.suffix}: {reason}"
    raise ValueError(msg) from error


def output_file(path: Path, suffixes: Sequence[str], *, overwrite: bool) -> None:
    """Check that a file can be written.

    Raises
    ------
    FileExistsError
        If it exists and may not be overwritten.
    FileNotFoundError
        If its folder is not there.
    ValueError
        If its name does not end in one of ``suffixes``.
    """
    _suffix(path, suffixes)
    if not path.parent.is_dir():
        msg = f"{path}: the folder {str(path.parent)!r} does not exist."
        raise FileNotFoundError(msg)
    writable(path, overwrite=overwrite)


def replaceable(path: Path, *, is_store: bool) -> None:
    """Raise :class:`ValueError` if the folder ``path`` is not a store that may be replaced as a whole."""
    if not is_store:
        msg = f"{path} is a folder that is no Zarr store: it is not replaced."
        raise ValueError(msg)


def output_folder(folder: Path, *, overwrite: bool) -> None:
    """Check that a folder can be filled.

    Raises
    ------
    FileExistsError
        If it is a file, or holds anything and may not be overwritten.
    FileNotFoundError
        If the folder that is to hold it is not there.
    """
    if folder.exists() and not folder.is_dir():
        msg = f"{folder} is a file; a folder is needed."
        raise FileExistsError(msg)
    if not folder.parent.is_dir():
        msg = f"{folder}: the folder {str(folder.parent)!r} does not exist."
        raise FileNotFoundError(msg)
    if folder.is_dir() and any(folder.iterdir()):
        writable(folder, overwrite=overwrite)


def name_and_value(text: str, *, what: str) -> tuple[str, str]:
    """Return the two sides of ``NAME=VALUE``; raise :class:`ValueError` otherwise."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        msg = f"{what} {text!r} is not of the form NAME=VALUE."
        raise ValueError(msg)
    return name, value


def not_both(given: Mapping[str, object]) -> None:
    """Raise :class:`ValueError` if more than one of the options was given."""
    names = [name for name, value in given.items() if value]
    if len(names) > 1:
        msg = f"{' and '.join(names)} exclude each other: give one."
        raise ValueError(msg)


def absent(adata: AnnData, key: str, *, why: str) -> None:
    """Raise :class:`ValueError` if ``adata.obs`` already has a column that would be written."""
    if key in adata.obs:
        msg = f"adata.obs[{key!r}] exists, but {why}: give another --split-key."
        raise ValueError(msg)

"""What ``adata`` has to be: an AnnData whose tables are in memory, or can be read."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._calls import plain

if TYPE_CHECKING:
    from anndata import AnnData


def takes_adata[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Check the first argument of a function by :func:`annotated`, before anything else is, then the types of all.

    If the function has an option ``copy``, and would have to copy what is in a file, that is refused, too.
    """
    writes = "copy" in inspect.signature(function).parameters

    @plain
    @wraps(function)
    def typed(*args: P.args, **kwargs: P.kwargs) -> R:
        adata: Any = args[0] if args else kwargs["adata"]
        # to write to a view is to copy it
        if writes and (adata.is_view or kwargs.get("copy")):
            copyable(adata)
        return function(*args, **kwargs)

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        # without any, Python says which argument is missing
        if args or "adata" in kwargs:
            annotated(args[0] if args else kwargs["adata"])
            return typed(*args, **kwargs)
        return function(*args, **kwargs)

    return checked


def takes_table[**P, R](made_by: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check the types of all arguments of a function, of which the first is a table that a call returns.

    Of an AnnData in its place, it is told by which call the table is made.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        typed = plain(function)

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            given = args[0] if args else kwargs.get("table")
            if any(base.__name__ == "AnnData" for base in type(given).__mro__):
                kept = [key for key, value in given.uns.items() if type(value).__name__ == "DataFrame"]  # type: ignore[attr-defined]
                there = f" Tables that were kept are in uns: {', '.join(map(repr, kept))}." if kept else ""
                raise TypeError(f"table is an AnnData; pass the table: cs.pl.{function.__name__}({made_by}).{there}")
            return typed(*args, **kwargs)

        return checked

    return decorate


def annotated(adata: Any) -> AnnData:
    """Return ``adata`` if it is an AnnData with cells and genes named by text.

    What is read lazily, as by :func:`anndata.experimental.read_lazy`, is read as far as it is small: its ``obs``,
    ``var`` and ``uns`` are in memory from then on.

    Raises
    ------
    TypeError
        If it is not, or ``obs`` or ``var`` of a view are read lazily.
    """
    # not loaded before it is needed, as it takes a second
    import pandas as pd
    from anndata import AnnData

    if not isinstance(adata, AnnData):
        raise TypeError(f"adata is {_article(type(adata).__name__)}; an AnnData is needed{_remedy(adata)}.")
    for name in ("obs", "var"):
        if not isinstance(table := getattr(adata, name), pd.DataFrame):
            if adata.is_view:
                remedy = f"read that of all cells first, as cells.{name} = cells.{name}.to_memory() does"
                raise TypeError(f"adata is a view, and its {name} is read lazily: {remedy}, or take adata.to_memory().")
            setattr(adata, name, table.to_memory())
            adata.uns = _in_memory(adata.uns)
        if getattr(adata, f"{name}_names").dropna().inferred_type not in ("string", "categorical", "empty"):
            names = f"adata.{name}_names"
            raise TypeError(f"{names} are no text, which files need: set {names} = {names}.astype(str).")
    return adata


def copyable(adata: AnnData) -> None:
    """Raise :class:`ValueError` if ``adata`` is backed by a file, and a copy of it would have to be one, too."""
    if adata.isbacked:
        what = "a view of an AnnData" if adata.is_view else "an AnnData"
        raise ValueError(f"adata is {what} in a file, which cannot be copied: take adata.to_memory() instead.")


def writable(adata: AnnData, *, copy: bool) -> AnnData:
    """Return a copy to write to, or ``adata`` itself, which is a view no more: what it is a view of stays as it was."""
    from anndata import ImplicitModificationWarning

    try:
        if copy:
            return adata.copy()
        if adata.is_view:
            # that the view becomes an AnnData of its own is what writing to it means
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ImplicitModificationWarning)
                adata.obs = adata.obs.copy()
    except NotImplementedError as error:
        # what anndata says of data sets of a file that are X in memory
        what = "adata is a view of what is" if adata.is_view else "adata is"
        raise ValueError(f"{what} in a file, which cannot be copied: take adata.to_memory() instead.") from error
    return adata


def _in_memory(value: Any) -> Any:
    """Return what is read lazily of nested values in memory."""
    # a lazy table is a mapping, too
    for read in ("to_memory", "compute"):
        if hasattr(value, read):
            return getattr(value, read)()
    return {key: _in_memory(one) for key, one in value.items()} if isinstance(value, Mapping) else value


def _remedy(given: Any) -> str:
    """Return how an AnnData is made of what was given."""
    kind = type(given).__name__
    if kind == "MuData":
        return _one_of("mdata", "modalities", given.mod)
    if kind == "SpatialData":
        return _one_of("sdata", "tables", given.tables)
    if hasattr(given, "to_adata"):
        return ": call its to_adata()"
    if isinstance(given, str | Path):
        return ": read the file, such as by anndata.read_h5ad(path)"
    if kind == "DataFrame" and "perturbation" in given.columns:
        return ": give the cells that the table is of"
    if hasattr(given, "shape"):
        return ": make one, such as anndata.AnnData(x, obs=obs, var=var)"
    return ""


def _one_of(name: str, what: str, parts: Iterable[Any]) -> str:
    keys = list(parts)
    if not keys:
        return f", of which it has none among its {what}"
    first = "rna" if "rna" in keys else keys[0]
    return f": give one of its {what}, such as {name}[{first!r}]; there are {', '.join(map(repr, keys))}"


def _article(kind: str) -> str:
    return "None" if kind == "NoneType" else f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"

"""Genes, which are told apart by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ._names import nearest

if TYPE_CHECKING:
    from anndata import AnnData

MANY_MORE = 2
"""Other names are spoken of where they match at least so many times as many genes, and half of all."""


def names_of_genes(adata: AnnData, gene_key: str | None = None) -> list[str]:
    """Return the names of the genes of ``adata``, or what a column of ``var`` has for them.

    Raises
    ------
    KeyError
        If there is no such column.
    """
    if gene_key is None:
        return [str(name) for name in adata.var_names]
    if gene_key not in adata.var:
        raise KeyError(f"gene_key {gene_key!r} is not in adata.var.{nearest(gene_key, adata.var.columns)}")
    return [str(name) for name in adata.var[gene_key]]


def places_of(genes: Sequence[str], names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Return where each of ``genes`` is among ``names``, -1 where it is not, and which are there more than once."""
    wanted, places, twice = set(genes), dict[str, int](), dict[str, None]()
    for i, name in enumerate(names):
        if name in wanted and places.setdefault(name, i) != i:
            twice[name] = None
    return np.array([places.get(name, -1) for name in genes], dtype=np.intp), list(twice)


def gene_columns(
    names: Sequence[str], genes: Sequence[str], *, what: str, exact: bool = False, filled: Iterable[str] = ()
) -> np.ndarray | None:
    """Return where ``genes`` are among ``names``, or ``None`` if they are the same in the same order.

    Parameters
    ----------
    names
        Names of the genes that there are.
    genes
        Names of the genes that something was fitted on, in its order.
    what
        What was fitted.
    exact
        Whether there may be no others.
    filled
        Genes that may be missing; -1 stands for where they are.

    Raises
    ------
    ValueError
        If other genes are missing, there are others where that is not wanted, or two have the same name.
    """
    if list(names) == list(genes):
        return None
    what = f"{what} fitted on {len(genes)} genes, which are not the {len(names)} of adata"
    columns, twice = places_of(genes, names)
    known = {str(name) for name in filled}
    if absent := sorted(name for name, at in zip(genes, columns, strict=True) if at < 0 and name not in known):
        raise ValueError(f"{what}: {len(absent)} of them are absent, such as {absent[0]!r}.")
    if twice:
        raise ValueError(
            f"{what} in number or order, and adata.var_names are not unique, as {twice[0]!r}: names do not tell genes."
        )
    if exact and (more := sorted(set(names) - set(genes))):
        raise ValueError(f"{what}: it has {len(more)} more, such as {more[0]!r}. Leave them out: adata[:, genes].")
    return columns


def other_names(adata: AnnData, genes: Sequence[str], names: Sequence[str], gene_key: str | None) -> str:
    """Return, as the end of an error, where or how many more of ``genes`` are found than among ``names``; or nothing.

    Parameters
    ----------
    adata
        Annotated data that lacks genes.
    genes
        Those that are looked for.
    names
        The names that were looked at.
    gene_key
        Column of ``var`` that they are in, ``None`` if they are ``var_names``.
    """
    wanted = set(genes)
    found = len(wanted & set(names))
    columns = [name for name in adata.var.columns if name != gene_key]
    tried = [(len(wanted & set(names_of_genes(adata, name))), f"give gene_key={name!r}") for name in columns]
    if gene_key is not None:
        tried.append((len(wanted & set(names_of_genes(adata))), "leave gene_key out, adata.var_names has them"))
    tried += [
        (len(wanted & {str(name) for name in adata.obs_names}), "adata.obs_names has them: give adata.T"),
        (
            _alike(genes, names, str.upper),
            "they differ in upper and lower case, as symbols of mouse and human do: if these are other species, put "
            "the names of orthologues in a column of adata.var and give it as gene_key",
        ),
        (
            _alike(genes, names, lambda name: name.partition(".")[0]),
            "they differ in the version behind the dot: put the names as they were fitted in a column of adata.var and "
            "give it as gene_key",
        ),
    ]
    n, remedy = max(tried, key=lambda one: one[0])
    if n < max(MANY_MORE * found, len(genes) / 2):
        return " Give the genes that are missing, or fit without them."
    return f" {n:,} are there under other names: {remedy}."


def _alike(genes: Sequence[str], names: Sequence[str], plain: Callable[[str], str]) -> int:
    """Return how many of ``genes`` are among ``names`` once both are made plain."""
    known = {plain(name) for name in names}
    return sum(plain(name) in known for name in genes)

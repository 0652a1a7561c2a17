"""From decoded expression to counts as they are measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from cellot_sc import _keys, _validate
from cellot_sc._arrays import is_whole
from cellot_sc._settings import logger

from ._decode import decoder_digest
from ._rows import by_row, dense
from ._space import Space

CHUNK = 1024
"""Cells that are looked at, or drawn, at once."""
MAX_OFF = 0.1
"""Share of the counts by which expression may differ from log1p of them, times a factor for each cell."""
MOST_COUNTS = 2**24
"""Of a cell: the counts that single precision keeps to the last."""
MOST_DEEPER = 3.0
"""How often depths that are given may go into those of measured cells before a line says so."""
NEGATIVE_BINOMIAL, MULTINOMIAL = "negative_binomial", "multinomial"


@_validate.takes_adata
def to_counts(
    adata: AnnData,
    observed: AnnData,
    *,
    counts_layer: str = _keys.COUNTS,
    depth_key: str | None = None,
    distribution: Literal["negative_binomial", "multinomial"] = "negative_binomial",
    seed: int = 0,
    copy: bool = False,
) -> AnnData | None:
    """Draw raw counts for predicted cells, each at the depth of the cell that it was made from.

    What is decoded is a mean of logarithms, which is below the logarithm of the mean. By how much is learnt for each
    gene from the train cells of the perturbation, decoded in the same way; and how counts vary around what is decoded.
    No other cells are learnt from.

    Parameters
    ----------
    adata
        What :func:`cellot_sc.tl.predict` returned, in genes.
    observed
        Annotated data that the maps were fitted to, with raw counts. What the maps have learnt from has to be log1p of
        them, multiplied by any one factor in each cell, as by :func:`scanpy.pp.normalize_total`.
    counts_layer
        Layer with the counts, and the layer to write.
    depth_key
        Column of ``obs`` of ``adata`` with the number of counts that a cell is to have in these genes, in the mean.
        With ``None``, the factor from normalised to raw counts is that of the source cell in ``observed``: a response
        that changes the share of these genes among all changes their total.
    distribution
        ``"negative_binomial"``, gene by gene, with the variance of observed counts, or ``"multinomial"``, which shares
        out the total of a cell.
    seed
        Seed of the draws.
    copy
        Whether to return a copy instead of writing to ``adata``.

    Returns
    -------
    ``None``, or with ``copy=True`` an AnnData, in which ``layers[counts_layer]`` holds the counts: whole numbers,
    float32 CSR.

    Raises
    ------
    KeyError
        If ``adata`` does not say what it was made by, or ``observed`` lacks the layer, a column or the representation.
    ValueError
        If there are no genes, or ``observed`` lacks some, the layer holds no counts, expression is not log1p of them,
        source cells are not there, a depth is negative or beyond all cells, or there are no train cells.

    Notes
    -----
    With the size factor s of a cell, its decoded expression x, and a factor f of the gene, the mean is
    s f (exp(x) - 1); f and the dispersion make the mean and the variance of the train cells' counts right. Where little
    is lost in decoding, decoded cells have the noise of counts already: then so many counts are rounded instead of
    drawn, up or down by chance, that it is not added twice. A perturbation without train cells has the noise of control
    cells.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> predicted = cs.tl.predict(adata, "drug_a")
    >>> cs.pp.to_counts(predicted, adata)
    >>> predicted.layers["counts"].shape
    (200, 50)
    """
    seed = _validate.seed(seed)
    _validate.one_of(distribution, (NEGATIVE_BINOMIAL, MULTINOMIAL), what="distribution")
    _validate.key(counts_layer, what="counts_layer")
    made = _validate.prediction(adata, what="adata")
    labels = _validate.predicted_labels(adata, made, what="adata")
    measured = _Measured.of(observed, adata, made, counts_layer)
    targets = [name for name in map(str, made["targets"]) if name in set(labels)]
    noise = {name: measured.noise(name, made) for name in targets}
    if depth_key is None:
        sizes, depths = measured.sizes(_sources(adata, observed, labels, made)), None
    else:
        sizes, depths = None, _depths(adata, depth_key)
        measured.warn_of_depth(depths, depth_key)
    x: Any = _validate.finite(_validate.matrix(adata.X, what="adata.X"), what="adata.X")
    rng, drawn = np.random.default_rng(seed), []
    for start in range(0, adata.n_obs, CHUNK):
        rows = slice(start, start + CHUNK)
        of = [noise[name] for name in labels[rows]]
        rates = np.expm1(dense(x[rows]).astype(np.float64)) * np.stack([one.factors for one in of])
        if depths is not None:
            rates *= _per_total(depths[rows], rates.sum(axis=1))[:, None]
        elif sizes is not None:
            rates *= sizes[rows, None]
        drawn.append(sparse.csr_matrix(_draw(rates, of, distribution, rng).astype(np.float32)))
    counts = sparse.vstack(drawn, format="csr")

    out = _validate.writable(adata, copy=copy)
    out.layers[counts_layer] = counts
    logger.info("added layers[%r]: %.4g counts per cell", counts_layer, counts.sum() / max(adata.n_obs, 1))
    return out if copy else None


class Noise(NamedTuple):
    """What lies between decoded expression and counts, gene by gene: arrays of shape ``(n_genes,)``.

    Parameters
    ----------
    factors
        What decoded expression is multiplied by to have the mean of the counts.
    dispersion
        Variance beyond what is decoded and beyond that of Poisson counts, in squared means.
    poisson
        Share of the counts that are drawn rather than rounded, 1 unless decoded cells vary as counts do already.
    """

    factors: np.ndarray
    dispersion: np.ndarray
    poisson: np.ndarray

    @classmethod
    def between(cls, factors: np.ndarray, cells: Iterable[tuple[np.ndarray, np.ndarray]]) -> Noise:
        """Return the noise that gives counts their variance, of chunks of counts and of the means to draw with."""
        n_cells, sums = 0, np.zeros((5, len(factors)))
        for counts, means in cells:
            n_cells += len(counts)
            rounding = means % 1 * (1 - means % 1)
            sums += np.stack([part.sum(axis=0) for part in (counts, counts**2, means, means**2, rounding)])
        count, its_square, mean, square, rounded = sums / n_cells
        beyond = (its_square - count**2) - (square - mean**2)
        dispersion = np.divide(beyond - mean, square, out=np.zeros_like(mean), where=(beyond > mean) & (square > 0))
        share = np.divide(beyond - rounded, mean - rounded, out=np.ones_like(mean), where=mean > rounded)
        return cls(factors, dispersion, np.clip(share, 0, 1))


class _Measured(NamedTuple):
    """Measured cells: raw counts, the expression that maps have learnt from, and the space, in one order of genes."""

    counts: Any
    expression: Any
    space: Space
    columns: np.ndarray
    labels: np.ndarray
    parts: np.ndarray
    what: str

    @classmethod
    def of(cls, observed: AnnData, adata: AnnData, made: Mapping[str, Any], layer: str) -> _Measured:
        """Read cells in the order of the genes of predicted ones; the errors are those of :func:`to_counts`."""
        space = Space(observed, str(made["use_rep"]))
        labels = _validate.perturbation_labels(observed, str(made["label_key"]), str(made["control"]))[0]
        if not (made["decoded"] or space.is_expression):
            raise ValueError(
                f"adata has no genes: it was predicted in {space.name!r}, from which nothing was decoded. Only "
                "expression becomes counts."
            )
        decoder = decoder_digest(_validate.decoder(observed, space.name)) if made["decoded"] else ""
        if decoder != str(made["decoder"]):
            raise ValueError(
                f"adata was predicted in another space than observed.obsm[{space.name!r}], which was represented anew, "
                "or in another way: predict again."
            )
        counts = _validate.expression(observed, layer)
        what = f"observed.{_validate.expression_name(layer).removeprefix('adata.')}"
        if counts.min() < 0 or not is_whole(counts):
            raise ValueError(f"{what} holds other numbers than 0, 1, 2, ...: raw counts are needed.")
        genes, features = adata.var_names.astype(str), space.features
        found, columns = (pd.Index(names).get_indexer(genes) for names in (observed.var_names.astype(str), features))
        if (absent := (found < 0) | (columns < 0)).any():
            raise ValueError(
                f"observed lacks {int(absent.sum())} of the {len(genes)} genes that were predicted, such as "
                f"{genes[absent][0]!r}: give the AnnData that the maps were fitted to."
            )
        expression = space.measured(np.arange(observed.n_obs))
        if expression is None:
            raise ValueError("observed has no expression of which the counts could be: restore X, or the layer.")
        return cls(
            counts=_in_order(counts, found),
            expression=_in_order(expression, columns),
            space=space,
            columns=columns,
            labels=_validate.as_named(labels, [str(made["control"]), *map(str, made["targets"])]),
            parts=_validate.split_labels(observed, str(made["split_key"])),
            what=what,
        )

    def warn_of_depth(self, depths: np.ndarray, key: str) -> None:
        """Say so if cells are to have far more counts than measured ones have in the same genes."""
        wanted, seen = np.median(depths), np.median(np.asarray(self.counts.sum(axis=1)).ravel())
        if wanted > MOST_DEEPER * seen > 0:
            logger.warning(
                "depth_key %r is %.4g in the median, and measured cells have %.4g counts in these %d genes: it has to "
                "be the number in these genes, not in all of the file",
                *(key, wanted, seen, self.counts.shape[1]),
            )

    def sizes(self, rows: np.ndarray) -> np.ndarray:
        """Return what normalised counts of some cells are multiplied by to be raw ones, 0 where there are none."""
        x = self.expression[rows]
        normalised = np.asarray((x.expm1() if sparse.issparse(x) else np.expm1(x)).sum(axis=1)).ravel()
        return _per_total(np.asarray(self.counts[rows].sum(axis=1)).ravel(), normalised)

    def noise(self, target: str, made: Mapping[str, Any]) -> Noise:
        """Return what lies between decoded expression and counts of the train cells of a target."""
        train, name = self.parts == _keys.TRAIN, target
        if not (train & (self.labels == name)).any():
            name = str(made["control"])
        rows = np.flatnonzero(train & (self.labels == name))
        if len(rows) and name != target:
            logger.info("there are no train cells of %r: control cells say how its counts vary", target)
        if not len(rows):
            raise ValueError("observed has no train cells: give the AnnData that the maps were fitted to.")
        off, sums = 0.0, np.zeros((2, self.counts.shape[1]))
        for counts, normalised, decoded in self._chunks(rows):
            off += np.abs(normalised - counts).sum()
            sums += np.stack([counts.sum(axis=0), decoded.sum(axis=0)])
        if not off <= MAX_OFF * sums[0].sum():
            raise ValueError(
                f"the expression that was predicted is not log1p of {self.what}, times a factor for each cell (they "
                f"differ by {off / max(sums[0].sum(), 1):.0%} of the counts): counts can only be made of expression "
                "that is."
            )
        # half a count more: a gene that was not seen may be
        factors = (sums[0] + 0.5) / (sums[1] + 0.5)
        return Noise.between(factors, ((counts, factors * decoded) for counts, _, decoded in self._chunks(rows)))

    def _chunks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield counts, measured and decoded expression of some cells, these two normalised to the depth of counts."""
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            sizes, decoded = self.sizes(chunk)[:, None], self.space.view(self.space.read(chunk))[:, self.columns]
            measured, decoded = (np.expm1(dense(x).astype(np.float64)) for x in (self.expression[chunk], decoded))
            yield dense(self.counts[chunk]).astype(np.float64), sizes * measured, sizes * decoded


def _in_order(x: Any, columns: np.ndarray) -> Any:
    """Return a matrix with these columns, so that its rows can be taken; a copy only where it has others."""
    same = np.array_equal(columns, np.arange(x.shape[1]))
    return by_row(x) if same else by_row(x)[:, columns]


def _sources(adata: AnnData, observed: AnnData, labels: np.ndarray, made: Mapping[str, Any]) -> np.ndarray:
    """Return where the cells that others were predicted from are."""
    _validate.unique_obs_names(observed)
    names = adata.obs_names.astype(str)
    if len(made["targets"]) > 1:
        names = [name.removesuffix(f"-{label}") for name, label in zip(names, labels, strict=True)]
    found = observed.obs_names.astype(str).get_indexer(names)
    if (found < 0).any():
        raise ValueError(
            f"{int((found < 0).sum())} of {len(found)} predicted cells were made from cells that are not in observed, "
            f"such as {names[int((found < 0).argmax())]!r}: name a column of adata.obs with the number of counts of "
            "each by depth_key."
        )
    return found


def _depths(adata: AnnData, key: str) -> np.ndarray:
    """Return the number of counts that cells are to have; raise :class:`ValueError` if nothing could have as many."""
    depths = _validate.cell_weights(adata, key, {"cells": np.ones(adata.n_obs, dtype=bool)}, what="depth_key")
    if depths.max() > MOST_COUNTS:
        raise ValueError(f"depth_key {key!r} is {depths.max():g} for a cell: {MOST_COUNTS:g} counts at most.")
    return depths


def _per_total(wanted: np.ndarray, total: np.ndarray) -> np.ndarray:
    return np.divide(wanted, total, out=np.zeros(len(wanted)), where=total > 0)


def _draw(means: np.ndarray, noise: Sequence[Noise], distribution: str, rng: np.random.Generator) -> np.ndarray:
    """Return counts of these means, shape ``(n_cells, n_genes)``, with the noise of each cell."""
    if distribution == MULTINOMIAL:
        totals = means.sum(axis=1)
        shares = means / np.where(totals > 0, totals, 1)[:, None]
        # of nothing, nothing is drawn
        shares[totals == 0] = 1 / means.shape[1]
        return rng.multinomial(np.rint(totals).astype(np.int64), shares)
    dispersion, poisson = (np.stack([getattr(one, name) for one in noise]) for name in ("dispersion", "poisson"))
    varies = dispersion > 0
    shape = np.divide(1, dispersion, out=np.ones_like(dispersion), where=varies)
    drawn = rng.poisson(means * np.where(varies, rng.gamma(shape) / shape, 1))
    # up or down by chance, so that the mean stays
    rounded = np.floor(means + rng.random(means.shape))
    return np.where(rng.random(means.shape) < poisson, drawn, rounded)

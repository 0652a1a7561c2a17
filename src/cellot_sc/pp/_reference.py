"""What the expression was that maps were fitted in, by which that of another file is read alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from anndata import AnnData
from scipy import sparse
from sklearn.decomposition import PCA

from cellot_sc import _keys, _validate
from cellot_sc._chunks import Stored, stored, taken
from cellot_sc._settings import logger
from cellot_sc._states import NOT_NEGATIVE, POSITIVE, Field, Numbers, StateReading, Text, Texts, read_fields

from ._columns import joined
from ._methods import METHODS, check
from ._pca import MAX_EXACT_GENES
from ._rows import bounded, by_row, read
from ._scale import SCALE, Scale
from ._space import Space

MAX_MISSING = 0.2
"""Share of the squared loadings that missing genes may carry. Where random ones of Kang's 1,000 carry .05, .1, .2 and
.3, predicted cells lie .17, .26, .40 and .50 of the mean displacement from where all genes put them."""
TOLD_MISSING = 0.05
"""Share from which on the log line that names missing genes is a warning."""
MOST_CELLS = 20_000
"""Cells that covariances are estimated from, at most."""
N_FACTORS = 20
"""Factors that missing genes are filled by; 10 to 40 do alike, 50 principal components with their noise worse."""
N_PASSES = 3
"""Times that factors are estimated, each time given the noise that the former ones leave."""
N_LOADINGS = 50
"""Principal components whose loadings say how much a gene counts, where the decoder has none."""


class Matched(NamedTuple):
    """Expression of other cells as a representation takes it.

    Parameters
    ----------
    x
        Float32 ``(n_cells, n_genes)``, dense, sparse or :class:`.Stored` as it was, genes as the reference has them.
    columns
        Where each gene is in the AnnData, -1 where it is missing and was filled.
    missing
        Names of these.
    share
        Their share of the squared loadings.
    """

    x: Any
    columns: np.ndarray
    missing: tuple[str, ...]
    share: float


@dataclass(frozen=True, repr=False, eq=False)
class Reference:
    """What the expression looked like that was represented, by which that of another file is read alike.

    It holds no cell. Genes that are missing elsewhere are filled by a factor model of the train cells: expression is
    :math:`m + W^T z + e` with independent :math:`z` of variance 1 and independent noise :math:`e` per gene, so that
    genes have a conditional mean given the others (a ridge regression on them).

    Parameters
    ----------
    genes
        Names, in the order of the decoder, or of the maps on ``X``.
    layer
        Layer that the expression was in, ``"X"`` for ``X``.
    mean
        Mean of train cells, shape ``(g,)``.
    weight
        Share of the squared loadings that each gene carries, shape ``(g,)``.
    factors, noise
        :math:`W`, shape ``(f, g)``, and the variance of :math:`e`, shape ``(g,)``.
    scale
        What kind of numbers it is made of, and how large they are.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> from cellot_sc.pp._reference import Reference
    >>> adata = cs.datasets.simulate(n_cells=300, n_genes=60)
    >>> cs.pp.represent(adata, n_components=10)
    >>> reference = Reference.of(cs.pp.Space(adata, "X_cellot"), slice(200))
    >>> matched = reference.matched(adata[200:, :0:-1].copy())
    >>> matched.x.shape, matched.missing
    ((100, 60), ('gene_00',))
    """

    genes: tuple[str, ...]
    layer: str
    mean: np.ndarray
    weight: np.ndarray
    factors: np.ndarray
    noise: np.ndarray
    scale: Scale

    fields: ClassVar[dict[str, Field]] = {
        "genes": Texts("g"),
        "layer": Text(),
        "mean": Numbers("g"),
        "weight": Numbers("g", NOT_NEGATIVE),
        "factors": Numbers("fg"),
        "noise": Numbers("g", POSITIVE),
        "scale": SCALE,
    }

    @classmethod
    def of(cls, space: Space, rows: np.ndarray | slice) -> Self | None:
        """Return what the expression of train cells is, or ``None`` if it is not there, or never was expression.

        Parameters
        ----------
        space
            The space of the maps.
        rows
            The train cells: boolean mask, positions or slice.

        Raises
        ------
        ValueError
            If the expression holds NaN or inf.
        """
        x = space.measured(rows) if space.is_genes else None
        if x is None:
            return None
        if isinstance(x, Stored):
            x = replace(x, finite=True)
        else:
            x = by_row(_validate.finite(x, what=_validate.expression_name(space.layer)))
        drawn = np.sort(np.random.default_rng(0).permutation(x.shape[0])[:MOST_CELLS])
        some = taken(x, drawn).astype(np.float64)
        components = space.adata.uns[space.name].get("components") if space.decodes else None
        if components is None:
            components = _principal(some, N_LOADINGS).components_
        squared = np.square(components, dtype=np.float64).sum(axis=0)
        mean, factors, noise = _factors(some)
        return cls(
            genes=tuple(space.features),
            layer=space.layer or _keys.EXPRESSION,
            mean=mean,
            weight=(squared / squared.sum()).astype(np.float32),
            factors=factors,
            noise=noise,
            scale=Scale.of(x),
        )

    def state(self) -> dict[str, Any]:
        """Return the values from which :meth:`read` makes it again."""
        return vars(self) | {"genes": np.array(self.genes, dtype=object), "scale": self.scale.state()}

    @classmethod
    def read(cls, state: Mapping[str, Any]) -> Self:
        """Return what was kept; raise :class:`ValueError` if it is something else."""
        return cls(**read_fields(state, cls.fields, StateReading(), path="reference"))

    def matched(self, adata: AnnData, *, layer: str | None = None, gene_key: str | None = None) -> Matched:
        """Return the expression of other cells, genes matched by name, and missing ones filled.

        Parameters
        ----------
        adata
            The other cells, with genes in any order, and any others.
        layer
            Layer with their expression, ``"X"`` for ``X``; ``None`` for the one that the reference was in.
        gene_key
            Column of ``var`` with the names of the genes; ``None`` for ``var_names``.

        Raises
        ------
        KeyError
            If there is no such layer or column.
        ValueError
            If genes that are missing carry more than 20 % of the squared loadings, a gene is there twice, the
            expression holds NaN or inf, or it is of another kind or on another scale.
        """
        columns = self._columns(adata, gene_key)
        there = columns >= 0
        layer = self.layer if layer is None else layer
        layer = None if layer == _keys.EXPRESSION else layer
        what = _validate.expression_name(layer)
        known = by_row(_validate.expression(adata, layer, columns=columns[there], stores=True))
        self.scale.check(known, there, what=what, layers=list(adata.layers))
        missing = tuple(np.array(self.genes, dtype=object)[~there])
        share = float(self.weight[~there].sum(dtype=np.float64))
        if not missing:
            return Matched(_made(_single, known, len(there)), columns, missing, share)
        say = logger.warning if share > TOLD_MISSING else logger.info
        say(
            "%d of %d genes are missing (%s), which carry %.1f %% of the squared loadings: filled by what those that "
            "are there say of them",
            *(len(missing), len(self.genes), _some(missing), 100 * share),
        )
        return Matched(_made(partial(self._completed, there), known, len(there)), columns, missing, share)

    def _completed(self, there: np.ndarray, known: Any) -> Any:
        """Return cells with the genes that are missing."""
        known = _single(known)
        return joined(known, self._filled(known, there), there)

    def _filled(self, known: Any, there: np.ndarray) -> np.ndarray:
        """Return the conditional mean of the genes that are missing, given those that are there."""
        factors, mean = self.factors.astype(np.float64), self.mean.astype(np.float64)
        precise = (factors / self.noise)[:, there]
        precision = np.eye(len(factors)) + precise @ factors[:, there].T
        z = np.linalg.solve(precision, (known @ precise.T - mean[there] @ precise.T).T).T
        return bounded((mean[~there] + z @ factors[:, ~there]).astype(np.float32), self.scale.low, self.scale.high)

    def _columns(self, adata: AnnData, gene_key: str | None) -> np.ndarray:
        """Return where each gene is, -1 where it is not."""
        names = _validate.names_of_genes(adata, gene_key)
        columns, twice = _validate.places_of(self.genes, names)
        where = "adata.var_names" if gene_key is None else f"adata.var[{gene_key!r}]"
        if twice:
            raise ValueError(
                f"{where} has {len(twice)} of the genes more than once ({_some(twice)}): which is meant is not known. "
                "Leave one of each in, or add them up."
            )
        absent = columns < 0
        share = float(self.weight[absent].sum(dtype=np.float64))
        if share > MAX_MISSING or absent.all():
            missing = np.array(self.genes, dtype=object)[absent]
            raise ValueError(
                f"{where} has {len(columns) - absent.sum():,} of the {len(columns):,} genes that were represented; "
                f"those that are missing ({_some(missing)}) carry {100 * share:.0f} % of the squared loadings, and "
                f"{100 * MAX_MISSING:.0f} % may be filled.{_validate.other_names(adata, self.genes, names, gene_key)}"
            )
        return columns


def place(
    adata: AnnData,
    decoder: Mapping[str, Any] | None,
    name: str,
    reference: Reference | None,
    *,
    n_dims: int,
    layer: str | None = None,
    gene_key: str | None = None,
) -> tuple[np.ndarray, Matched | None]:
    """Return where cells of another file lie in the space of maps.

    Parameters
    ----------
    adata
        The cells.
    decoder
        What :func:`cellot_sc.pp.represent` has kept, ``None`` if it did not make the space.
    name
        Key in ``obsm`` of the space, or ``"X"`` for the expression itself.
    reference
        What the expression was that was represented.
    n_dims
        Number of dimensions of the maps.
    layer, gene_key
        Where expression and names are, see :meth:`Reference.matched`.

    Returns
    -------
    The points, float32 ``(n_cells, n_dims)``, and the expression that they were made of, if they were.

    Raises
    ------
    KeyError
        If the space was made elsewhere, and the AnnData has no points in it.
    ValueError
        If these have other dimensions, or NaN or inf; or the expression does not fit.
    """
    if decoder is None and name != _keys.EXPRESSION:
        if name not in adata.obsm:
            raise KeyError(
                f"The maps are on {name!r}, which cs.pp.represent did not make, and new.obsm has "
                f"{_some([*adata.obsm])}: represent these cells by the model that made it for those of the fit "
                f"(of scVI, get_latent_representation of the trained model), and put that into new.obsm[{name!r}]."
            )
        what = f"adata.obsm[{name!r}]"
        given = read(stored(adata.obsm[name], what=what, finite=False))
        return _validate.points(given, n_dims=n_dims, what=what), None
    if reference is None:
        raise ValueError(
            f"Nothing is known of the expression that {name!r} was made of, as it was not there when the model was "
            "made: make it of an AnnData that has it."
        )
    matched = reference.matched(adata, layer=layer, gene_key=gene_key)
    if decoder is None:
        return read(matched.x), matched
    check(decoder)
    return METHODS[decoder["method"]].project(matched.x, decoder), matched


def _made(function: Callable[[Any], Any], x: Any, n_columns: int) -> Any:
    """Return what a function makes of cells, of stored ones as they are read."""
    return x.made_into(function, n_columns) if isinstance(x, Stored) else function(x)


def _single(x: Any) -> Any:
    return x.astype(np.float32)


def _factors(x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, loadings ``(f, g)`` and noise variances of a factor model of cells, float32.

    Principal components of genes over the standard deviation of their noise are the most likely factors given that
    noise, less its variance; that follows from the factors.
    """
    total = _variances(x)
    least = 1e-4 * total.mean() or 1.0
    noise = np.maximum(total, least)
    for _ in range(N_PASSES):
        sd = np.sqrt(noise)
        found = _principal(x @ sparse.diags_array(1 / sd) if sparse.issparse(x) else x / sd, N_FACTORS)
        signal = np.maximum(found.explained_variance_ - found.noise_variance_, 0)
        factors = np.sqrt(signal)[:, None] * found.components_ * sd
        noise = np.maximum(total - np.square(factors).sum(axis=0), least)
    mean = np.asarray(x.mean(axis=0)).ravel()
    return mean.astype(np.float32), factors.astype(np.float32), noise.astype(np.float32)


def _principal(x: Any, n_components: int) -> PCA:
    """Return principal components of cells in double precision, as many of those wanted as there can be."""
    n_cells, n_genes = x.shape
    n_components = min(n_components, n_cells - 1, n_genes)
    exact = n_genes <= MAX_EXACT_GENES or n_components == n_genes
    return PCA(n_components, svd_solver="covariance_eigh" if exact else "arpack", random_state=0).fit(x)


def _variances(x: Any) -> np.ndarray:
    squares = x.multiply(x) if sparse.issparse(x) else np.square(x)
    spread = np.asarray(squares.mean(axis=0)).ravel() - np.square(np.asarray(x.mean(axis=0)).ravel())
    return np.maximum(spread, 0)


def _some(names: Any) -> str:
    """Return a few names as errors and log lines show them."""
    return ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "") if len(names) else "none"

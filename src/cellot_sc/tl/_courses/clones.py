"""Judges predicted fates by lineage tracing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _defaults, _keys, _validate
from ..._settings import logger
from ...ot import fit
from .._fit.tables import keeper
from .agreement import Agreement, Estimate, averaged, estimate
from .fate import Reading
from .moscot import coupled_shares

PRIOR, MOSCOT = "prior", "moscot"
BASELINES = (PRIOR, *_defaults.BASELINES, MOSCOT)
"""What predicted fates are compared with."""
FEW_CLONES = 30
COLUMNS = ["model", "metric", "source", "fate", "n_cells", "n_clones", "value", "ci_low", "ci_high"]


@_validate.takes_adata
def clonal_agreement(
    adata: AnnData,
    clone_key: str = _keys.CLONE,
    *,
    key: str = _keys.FATE,
    baselines: str | Sequence[str] = BASELINES,
    n_boot: int = 500,
    seed: int = 0,
    key_added: str | None = None,
) -> pd.DataFrame:
    """Compare predicted fates with those of the same clone's late cells, beside simpler predictions.

    Early and late cells that carry the same barcode descend from one cell: what the late ones are is the fate that the
    early one would have had, as far as sisters have one fate. No model sees a barcode.

    Parameters
    ----------
    adata
        Annotated data with fates predicted by :func:`cellot_sc.tl.fate`.
    clone_key
        Which cells belong to which clone: a cell x clone matrix in ``obsm``, or a column of ``obs``.
    key
        Where the fates are.
    baselines
        What to compare with:

        - ``"prior"``: the shares of fates among labelled late cells, the same for every cell.
        - ``"identity"``, ``"mean_shift"``, ``"gaussian"``: such maps between consecutive times, fitted to the same
          cells and read in the same way. The first reads the fate of a cell where it is.
        - ``"moscot"``: discrete couplings of moscot's ``TemporalProblem`` with its defaults, in the same space. They
          contain every cell, those that the maps were not fitted to too. Memory grows with the product of the numbers
          of cells of two times.
    n_boot
        Number of resamples of clones behind the intervals, 100,000 at most; 0 for none.
    seed
        Seed of the resamples.
    key_added
        Where in ``uns`` the table is kept as well, so that files have it; nowhere with ``None``. What is there already
        has to be an older one of this function.

    Returns
    -------
    Tidy table with a row per model, metric, source and fate:

    - ``model``: the solver of the time course, or one of ``baselines``.
    - ``metric``: ``accuracy``, the share of cells whose likeliest fate is that of most late cells of their clone;
      ``auroc``, how well the probability of a fate tells cells of whose clone it is the commonest from the others;
      ``correlation``, Pearson's, of the probability of a fate with its share in the clone.
    - ``source``: the time of the early cells, or ``all`` of them.
    - ``fate``: one fate, where at least five cells have it and five do not, or ``all``: the mean over these.
    - ``n_cells``, ``n_clones``: what the value rests on.
    - ``value``, ``ci_low``, ``ci_high``: the metric and its central 95 % interval over resampled clones. It says how
      much would change with other clones of the same experiment; differences between models that are smaller than that
      mean nothing.

    Raises
    ------
    KeyError
        If there are no fates or clones.
    ValueError
        If a baseline is unknown, ``n_boot`` or ``seed`` is not a number it can be, the matrix of clones holds NaN or
        negative values, or no early cell has a relative among the labelled late cells.

    References
    ----------
    :cite:t:`weinreb2020`, who introduced clonal fate as the measure of such predictions.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_branching(600, 30)
    >>> cs.tl.trajectory(adata, solver="gaussian")
    >>> cs.tl.fate(adata, "cell_type")
    >>> table = cs.tl.clonal_agreement(adata, baselines=["prior", "identity"], n_boot=50)
    >>> table["model"].unique().tolist()
    ['gaussian', 'prior', 'identity']
    """
    keep = keeper(adata, key_added, COLUMNS)
    n_boot = _validate.resamples(n_boot)
    seed = _validate.seed(seed)
    asked = _validate.fates(adata, key)
    names = _validate.some_of(baselines, BASELINES, what="baselines") if len(baselines) else []
    by = str(asked["groupby"])
    reading = Reading.of(
        adata,
        by,
        fates=[str(name) for name in asked["fates"]],
        at=str(asked["at"]),
        n_neighbors=int(asked["n_neighbors"]),
        key=str(asked["trajectory"]),
    )
    _validate.fates_of_maps(adata, key, reading.course.digest)
    if str(asked.get("labels")) != reading.digest(adata):
        logger.warning("obs[%r] had other labels, or other cells, when fates were read: call cs.tl.fate again", by)
    _validate.not_summary(reading.fates, (_keys.ALL,), what=f"adata.obs[{by!r}]")
    _validate.not_summary(reading.course.labels, (_keys.ALL,), what=f"adata.obs[{reading.course.fit.label_key!r}]")
    members = _validate.clones(adata, clone_key)
    late = np.zeros(adata.n_obs)
    late[reading.late] = 1
    relatives = members @ (members.T @ (reading.one_hot * late[:, None]))
    early = (reading.taken >= 0) & (reading.taken < reading.end)
    judged = early & (relatives.sum(axis=1) > 0)
    _validate.clonal_cells(int(judged.sum()), clone_key, reading.course.labels[reading.end])
    observed = relatives / np.maximum(relatives.sum(axis=1, keepdims=True), 1)
    # of a cell in several clones, the first decides with which cells it is drawn
    first = np.asarray(members.argmax(axis=1)).ravel()

    predictions = {reading.course.fit.solver: np.asarray(adata.obsm[key])}
    predictions |= {name: _predicted(adata, reading, name) for name in names if name not in predictions}
    rows: list[tuple[object, ...]] = []
    sources = {reading.course.labels[i]: judged & (reading.taken == i) for i in range(reading.end)}
    if len(sources) > 1:
        sources[_keys.ALL] = judged
    for source, chosen in sources.items():
        if not chosen.any():
            continue
        agreement = Agreement(observed[chosen], first[chosen], n_boot=n_boot, seed=seed)
        size = (int(chosen.sum()), agreement.n_clones)
        if agreement.n_clones < FEW_CLONES:
            logger.info("only %d clones link time %s to the fates: expect wide intervals", agreement.n_clones, source)
        for model, shares in predictions.items():
            # a coupling may send nothing of a cell to a labelled one
            shares = np.where(np.isnan(shares), _prior(reading), shares)[chosen]
            for metric, fate, value in _scores(agreement, shares, reading.fates):
                rows.append((model, metric, source, fate, *size, *value))
    return keep(pd.DataFrame(rows, columns=COLUMNS))


def _scores(agreement: Agreement, shares: np.ndarray, fates: list[str]) -> Iterator[tuple[str, str, Estimate]]:
    """Yield every metric, the fate or fates that it is of, and its value."""
    yield "accuracy", _keys.ALL, agreement.accuracy(shares)
    for metric, by_fate in (("auroc", agreement.auroc(shares)), ("correlation", agreement.correlation(shares))):
        yield metric, _keys.ALL, averaged(by_fate)
        for k, values in by_fate.items():
            yield metric, fates[k], estimate(values)


def _prior(reading: Reading) -> np.ndarray:
    """Return the share of every fate among labelled late cells, shape ``(n_fates,)``."""
    return reading.one_hot[reading.late].mean(axis=0)


def _predicted(adata: AnnData, reading: Reading, model: str) -> np.ndarray:
    """Return the fate probabilities of a baseline, shape ``(n_obs, n_fates)``."""
    if model == PRIOR:
        return np.broadcast_to(_prior(reading), (adata.n_obs, len(reading.fates)))
    if model == MOSCOT:
        return coupled_shares(reading)
    course = reading.course
    solutions = fit(course.fit.problems(adata), model, seed=course.fit.seed)
    return reading.shares(dataclasses.replace(course, steps=[solution.map for solution in solutions]))

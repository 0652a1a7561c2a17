"""The paragraph on what was done, ready to paste, with its references."""

from __future__ import annotations

import html
import json
import platform
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from .. import __version__, _keys, tl
from ..metrics import Metric
from ..ot import SOLVERS
from ..pl._evaluation import in_order, model_name
from ..pl._history import VALIDATION
from . import _held_out
from ._held_out import listed
from ._references import Citations
from ._units import Answering

PACKAGES = ("anndata", "scanpy", "jax", "ott-jax", "flax", "optax", "numpy", "scipy", "scikit-learn")
"""Packages whose versions belong to the methods."""
PREPARATION = "preparation"
"""Key of ``uns`` under which the shell keeps what it made of raw counts."""
CEILING = {
    _keys.TEST: "treated train cells were compared with the same treated cells",
    _keys.OOD: "random halves of these treated cells were compared with each other",
}
"""How the score of a perfect map is had on a split."""


def paragraph(
    adata: AnnData,
    scores: pd.DataFrame,
    fitted: tl.FittedMaps,
    *,
    metrics: Sequence[Metric],
    groupby: str | None,
    units: Answering,
    n_boot: int,
    versions: Mapping[str, str],
) -> tuple[str, Citations]:
    """Return what was done, and what that cites.

    Parameters
    ----------
    adata
        Annotated data with fitted maps.
    scores
        What :func:`cellot_sc.tl.evaluate` returned for them.
    fitted
        The maps.
    metrics
        The metrics of the scores.
    groupby
        Column of ``obs`` with the groups, if there is one.
    units
        What answers for its cells.
    n_boot
        Number of resamples behind the intervals.
    versions
        Version of every package.
    """
    cite, fit = Citations(), fitted.fit
    weights = fit.growth or fit.source_weights
    found = [f"{name} {versions[name]}" for name in PACKAGES if name in versions]
    sentences = [
        _cells_text(adata, fit),
        _preparation_text(adata),
        _held_out.sentence(adata, fit),
        _fit_text(adata, fitted, cite),
        f"Categories of {' and '.join(map(repr, fit.context))} have maps of their own, partially pooled, and the same "
        "share of control and of treated cells."
        if fit.context
        else "",
        f"Train cells were weighed by {weights!r}." if weights else "",
        "Where kinds of cells differed in abundance, train cells were weighed by unbalanced transport between clusters "
        f"({cite('chizat2018')})."
        if fit.match_abundance
        else "",
        "The cost weighed dimensions differently." if fit.feature_weights else "",
        "" if scores.empty else _scores_text(adata, scores, fit, cite, metrics=metrics, groupby=groupby),
        f"Intervals of scores are central 95 % ranges over {n_boot} resamples of {_answering(units.judged)}."
        if n_boot and len(scores)
        else "",
        "The severity of a perturbation is the mean of half the squared displacement of control cells, beside that "
        f"under {_null(units.tested)}.",
        _groups_text(groupby, units.tested, cite) if groupby else "",
        f"Data were handled with anndata ({cite('virshup2024')}) and scanpy ({cite('wolf2018')}). Versions when this "
        f"was written: Python {platform.python_version()}, {', '.join(found)}.",
    ]
    return " ".join(filter(None, sentences)), cite


def _cells_text(adata: AnnData, fit: tl.Fit) -> str:
    splits = adata.obs[fit.split_key].astype(str).value_counts()
    sizes = [
        f"{splits[name]:,} {'held-out' if name == _keys.OOD else name}" for name in _keys.SPLITS if name in splits.index
    ]
    cells = f"{adata.n_obs:,} cells with {adata.n_vars:,} features"
    if _keys.TRAIN not in splits.index:
        return f"{cells}, {listed(sizes)} cells, were those that maps of a model were applied to."
    return f"{cells} were split into {listed(sizes)} cells."


def _preparation_text(adata: AnnData) -> str:
    """Return how cells were prepared before they were split, if ``cellot-sc fit`` did it and said so."""
    made = adata.uns.get(PREPARATION)
    if not isinstance(made, Mapping):
        return ""
    kept, total, n_genes = [str(one) for one in made.get("kept", ())], made.get("target_sum"), made.get("n_top_genes")
    n_out = int(made.get("n_cells_left_out", 0))
    sum_text = "" if total is None else f" to a total of {float(total):,.0f} counts per cell"
    steps = [
        f"cells were kept of which {listed(kept)} ({n_out:,} others were left out)" if kept else "",
        f"counts were normalised{sum_text}" if made.get("normalized") else "",
        "log(1 + x) was taken" if made.get("log1p") else "",
        f"the {int(n_genes):,} most variable genes of train cells were kept" if n_genes else "",
    ]
    text = listed(list(filter(None, steps)))
    return f"Before, {text}." if text else ""


def _fit_text(adata: AnnData, fitted: tl.FittedMaps, cite: Citations) -> str:
    fit, n_maps = fitted.fit, len(fitted.maps)
    space, solver = fit.space(adata), fit.solver
    how = f", {space.method} of train cells" if space.decodes else ""
    options = "".join(f", {name}={value}" for name, value in fit.options.items())
    method = _method(solver, cite)
    details = f"solver {solver}{method and f': {method}'}{options}; seed {fit.seed}"
    chosen = " and chosen on validation cells" if VALIDATION in set(fitted.history["metric"]) else ""
    whom = repr(next(iter(fitted.maps))) if n_maps == 1 else f"each of {n_maps} perturbations"
    return (
        f"For {whom}, an optimal transport map from {fit.control!r} to treated cells ({cite('bunne2023')}) was "
        f"learnt from unpaired train cells{chosen}, in {space.n_dims} dimensions ({space.name}{how}), with cellot-sc "
        f"{__version__} ({details})."
    )


def _scores_text(
    adata: AnnData,
    scores: pd.DataFrame,
    fit: tl.Fit,
    cite: Citations,
    *,
    metrics: Sequence[Metric],
    groupby: str | None,
) -> str:
    split = str(scores["split"].iloc[0])
    which = "that were held out" if split == _keys.OOD else f"of the {split} split"
    parts = fit.parts(adata)
    judged = fit.labels(adata)[parts == split]
    # without train cells here, judged ones are halved
    ceiling = CEILING[split if (parts == _keys.TRAIN).any() else _keys.OOD]
    by = listed([metric.label + _in_brackets(cite(*metric.cites)) for metric in metrics])
    within = "" if groupby is None else f", among all cells and within categories of {groupby!r}"
    others = [name for name in in_order(list(scores["model"])) if name not in (fit.solver, _keys.OBSERVED)]
    baselines = [f"{model_name(name).partition(' (')[0]}{_in_brackets(_method(name, cite))}" for name in others]
    return (
        f"The predictions for {(judged == fit.control).sum():,} control cells {which} were compared "
        f"with {np.isin(judged, fit.targets).sum():,} observed treated cells {which}{within}, by {by}. "
        f"Baselines fitted to the same train cells were {listed(baselines)}; for the score of a perfect map, "
        f"{ceiling}."
    )


def _groups_text(groupby: str, unit: str | None, cite: Citations) -> str:
    observed = (
        "by Welch's test between observed cells"
        if unit is None
        else f"by t-tests of {_answering(unit)} (treated less control) with variances moderated over features "
        f"({cite('smyth2004')})"
    )
    return (
        f"Effects on features within categories of {groupby!r} were tested against the same maps and, where there "
        f"were treated cells, {observed}, and called at a false discovery rate of 5 % ({cite('benjamini1995')})."
    )


def _answering(unit: str | None) -> str:
    return "cells" if unit is None else f"categories of {unit!r}"


def _null(unit: str | None) -> str:
    """Return the maps that no effect gives rise to."""
    if unit is None:
        return "maps between random halves of the control train cells"
    return f"maps refitted after exchanging control and treated cells of whole {_answering(unit)}"


def _method(solver: str, cite: Citations) -> str:
    """Return what a solver does and what that cites, as far as it is known: one may be no longer, or not be ours."""
    if solver not in SOLVERS:
        return ""
    record = SOLVERS[solver]
    return "; ".join([record.summary, *([cite(*record.cites)] if record.cites else [])])


def _in_brackets(text: str) -> str:
    return text and f" ({text})"


def references(cite: Citations) -> str:
    """Return the list of what was cited, with links to it."""
    items = []
    for reference in sorted(cite.cited):
        url = f"https://doi.org/{reference.doi}"
        link = f' <a href="{html.escape(url)}" rel="noreferrer">{html.escape(url)}</a>' if reference.doi else ""
        items.append(f"<li>{html.escape(reference.text)}{link}</li>")
    return "".join(items)


def session() -> tuple[dict[str, str], dict[str, str]]:
    """Return the version of every package that is loaded, and what they run on."""
    import session_info2

    found = json.loads(session_info2.session_info(os=True, dependencies=True).format("json"))
    packages = {
        entry["package"]: entry["version"] for kind in ("packages", "dependencies") for entry in found.get(kind, ())
    }
    machine = {str(name): str(value) for name, value in found["info"].items()}
    return packages, machine

"""Writes what a fit is worth as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import html
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

import pandas as pd
import session_info2

from . import _keys, pl
from .pl._evaluation import GAP_CLOSED, OBSERVED, in_order, model_name
from .tl import _store
from .tl._scores import METRICS

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = ("energy_distance", "mmd", "pearson_delta")
"""Metrics of the figure; the table has all."""
SUMMARY = "energy_distance"
"""Metric of the sentences."""
GROUPS = ("all", "mean", "worst")
PACKAGES = ("cellot-sc", "anndata", "scanpy", "jax", "ott-jax", "flax", "optax", "numpy", "scipy", "scikit-learn")
"""Packages whose versions belong to the methods."""
DPI = 120
WIDE = 900
"""Figures of more CSS pixels than this can be scrolled sideways on a small screen."""

MEANINGS = {
    "energy_distance": "How far apart two clouds of cells are as a whole; 0 if they cannot be told apart.",
    "mmd": "Squared maximum mean discrepancy, unbiased: like the energy distance, more sensitive to local differences.",
    "legacy_mmd": "The MMD as earlier papers computed it. It is biased and depends on the number of cells: compare it "
    "with published numbers only.",
    "l2_means": "Distance between the mean cell of both clouds.",
    "r_means": "Correlation of the mean cells.",
    "pearson_delta": "Correlation of the predicted with the observed change of the mean cell: 1 if every feature "
    "changes as observed, 0 if the changes have nothing in common.",
    "variance_ratio": "Spread of predicted over that of observed cells: below 1, cells are too much alike.",
    "counterfactual_error": "Root mean square distance between the prediction for a cell and the state that this very "
    "cell would have had. Only a simulation knows it.",
}
"""What metrics say, for a reader who is no statistician."""


@dataclass(frozen=True)
class Item:
    """A figure of the report.

    Parameters
    ----------
    name
        Name of its files.
    title
        Its heading.
    meaning
        What it shows, in a sentence or two.
    figure
        The figure.
    """

    name: str
    title: str
    meaning: str
    figure: Figure


def draw(
    adata: AnnData, scores: pd.DataFrame, *, key: str = _keys.MODEL, split: str = _keys.TEST, color: str | None = None
) -> list[Item]:
    """Draw the figures of the report.

    Parameters
    ----------
    adata
        Annotated data with fitted maps.
    scores
        What :func:`cellot_sc.tl.evaluate` returned for them.
    key
        Where in ``uns`` the maps are.
    split
        The split that was judged.
    color
        Column of ``obs`` to colour the embedding by.
    """
    known = set(scores["metric"])
    metrics = [name for name in SHOWN if name in known] or None
    items = [
        Item(
            "evaluation",
            "How good are the predictions?",
            "Each row compares predicted with observed treated cells that the fit has never seen. A useful prediction "
            "lies far from “identity” (no effect assumed) and near “observed” (real treated cells of the training set: "
            "what a perfect map would score). Lines are 95 % intervals over resampled cells.",
            figure_of(pl.evaluation(scores, metrics=metrics, show=False)),
        )
    ]
    if "mean" in set(scores["group"]):
        items.append(
            Item(
                "evaluation_groups",
                "And within each group of cells?",
                "The same, computed within each group and averaged over groups. A map that moves all cells alike can "
                "look good on all cells together and still be wrong for every cell type: this figure shows it.",
                figure_of(pl.evaluation(scores, metrics=metrics, group="mean", show=False)),
            )
        )
    items += [
        Item(
            "embedding",
            "Do predicted cells lie where treated cells lie?",
            "All cells on one map (UMAP): control, observed treated and predicted ones, with all others in grey. Where "
            "the predicted cells cover the observed ones, the map has learnt the response.",
            figure_of(pl.embedding(adata, color=color, key=key, split=split, show=False)),
        ),
        Item(
            "marginals",
            "Does each feature change as observed?",
            "Distribution over cells of the features that change most. The predicted curve should follow the observed "
            "one in position and in shape: two peaks are two kinds of responses. Numbers are Wasserstein distances to "
            "the observed cells, in units of the feature: smaller is closer.",
            figure_of(pl.marginals(adata, key=key, split=split, show=False)),
        ),
    ]
    fitted = _store.load(adata, key)
    with_steps = set(fitted.history["perturbation"])
    if with_steps:
        meaning = (
            "Loss and distance to validation cells as the fit went on. The dots mark the maps that were kept, as "
            "chosen by validation cells."
        )
        if with_steps < set(fitted.maps):
            meaning += " Perturbations that are not shown needed no steps: an affine map explains their cells."
        figure = figure_of(pl.history(adata, key=key, show=False))
        items.append(Item("history", "Did the fit come to an end?", meaning, figure))
    return items


def write_report(
    adata: AnnData,
    scores: pd.DataFrame,
    items: Sequence[Item],
    path: Any,
    *,
    key: str = _keys.MODEL,
    title: str = "Predicted responses to perturbations",
) -> None:
    """Write the report as one self-contained HTML file.

    Parameters
    ----------
    adata
        Annotated data with fitted maps.
    scores
        What :func:`cellot_sc.tl.evaluate` returned for them; further metrics may be appended.
    items
        Figures, as :func:`draw` makes them.
    path
        File to write.
    key
        Where in ``uns`` the maps are.
    title
        Heading of the page.
    """
    config = _store.load(adata, key).config
    session = json.loads(session_info2.session_info(os=True, dependencies=True).format("json"))
    page = Template(files(__package__).joinpath("_report.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        summary=_summary(scores, config["solver"]),
        contents="".join(f'<li><a href="#{item.name}">{html.escape(item.title)}</a></li>' for item in items),
        figures="".join(_section(item) for item in items),
        table=_table(scores, config["solver"]),
        meanings=_meanings(scores),
        methods=_methods(adata, scores, config, session),
        session=_session(session),
    )
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)


def figure_of(axes: Mapping[Any, Axes]) -> Figure:
    """Return the figure that all of the axes belong to."""
    return next(iter(axes.values())).figure.get_figure(root=True)


def _png(figure: Figure) -> tuple[str, int]:
    """Return a figure as a data URI, and its width in CSS pixels."""
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=DPI, bbox_inches="tight", facecolor="white")
        return base64.b64encode(file.getvalue()).decode("ascii"), round(figure.get_figwidth() * 96)


def _section(item: Item) -> str:
    data, width = _png(item.figure)
    title, meaning = html.escape(item.title), html.escape(item.meaning)
    return (
        f'<section id="{item.name}"><h2>{title}</h2><figure><div class="scroll" tabindex="0" role="region" '
        f'aria-label="Figure: {title}"><img src="data:image/png;base64,{data}" alt="{meaning}" '
        f'style="width:{width}px;min-width:{min(width, WIDE) * 2 // 3}px"></div>'
        f"<figcaption>{meaning}</figcaption></figure></section>\n"
    )


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many digits that count, and a true minus sign."""
    if math.isnan(value):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"
    return text.replace("-", "−")


def percent(fraction: float) -> str:
    """Return a fraction in percent, with a space that does not break."""
    return "–" if math.isnan(fraction) else f"{100 * fraction:.0f}\u00a0%".replace("-", "−")


def _summary(scores: pd.DataFrame, solver: str) -> str:
    """Return, per perturbation, a sentence on whether there is an effect and how much of it was predicted."""
    values = scores[(scores["metric"] == SUMMARY) & (scores["group"] == "all")]
    items = []
    for name, rows in values.groupby("perturbation", sort=False):
        by_model = rows.set_index("model")
        nothing, ceiling = by_model.loc["identity"], by_model.loc[OBSERVED]
        # without resamples there are no intervals, and the value stands for itself
        least: float = nothing["value"] if pd.isna(nothing["ci_low"]) else nothing["ci_low"]
        if least > max(ceiling["value"], 0):
            text = "the prediction closes {} of the distance between control and treated cells{}"
            text = text.format(*_closed(scores, name, "all", solver))
            if "mean" in set(scores["group"]):
                text += "; within groups of cells {}{}".format(*_closed(scores, name, "mean", solver))
        else:
            text = "treated cells cannot be told from control cells: there is no effect to predict"
        items.append(f"<li><strong>{html.escape(str(name))}</strong>: {text}.</li>")
    return f"<ul>{''.join(items)}</ul>"


def _closed(scores: pd.DataFrame, perturbation: object, group: str, solver: str) -> tuple[str, str]:
    """Return how much of the gap the solver closes and, in brackets, how much the controls do."""
    rows = scores[(scores["metric"] == SUMMARY + GAP_CLOSED) & (scores["group"] == group)]
    rows = rows[rows["perturbation"] == perturbation]
    closed: dict[str, float] = dict(zip(rows["model"], rows["value"], strict=True))
    others = [f"{model_name(model)} {percent(closed[model])}" for model in in_order(list(closed)) if model != solver]
    beside = f" ({html.escape(', '.join(others))})" if others else ""
    return f"<strong>{percent(closed.get(solver, math.nan))}</strong>", beside


def _table(scores: pd.DataFrame, solver: str) -> str:
    """Return the scores as a table: a row per perturbation, group and metric, a column per model."""
    values = scores[scores["group"].isin(GROUPS) & ~scores["metric"].str.endswith(GAP_CLOSED)]
    gaps = scores[scores["metric"].str.endswith(GAP_CLOSED) & (scores["model"] == solver)]
    gaps = gaps.assign(metric=gaps["metric"].str.removesuffix(GAP_CLOSED))
    index = ["perturbation", "group", "metric"]
    closed = gaps.set_index(index)["value"].to_dict()
    models = in_order(list(values["model"]))
    names = [model_name(model).partition(" (")[0] for model in models]
    head = "".join(
        _column(html.escape(label), numeric=i > 2)
        for i, label in enumerate(["perturbation", "cells", "metric", *names, "gap closed"])
    )
    body = []
    for of_row, group in values.groupby(index, sort=False):
        by_model: dict[str, pd.Series] = {str(row["model"]): row for _, row in group.iterrows()}
        best = _best_prediction(str(of_row[2]), {model: row["value"] for model, row in by_model.items()})
        cells = "".join(
            f"<{tag}>{html.escape(str(text))}</{tag[:2]}>"
            for tag, text in zip(['th scope="row"', "td", "td"], of_row, strict=True)
        )
        cells += "".join(_cell(by_model.get(model), best=model in best, own=model == solver) for model in models)
        fraction = closed.get(of_row, math.nan)
        body.append(f'<tr>{cells}<td class="n" data-v="{fraction}">{percent(fraction)}</td></tr>')
    return f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"


def _column(label: str, *, numeric: bool) -> str:
    kind = ' class="n"' if numeric else ""
    return f'<th scope="col"{kind}><button type="button">{label}</button></th>'


def _cell(score: pd.Series | None, *, best: bool, own: bool) -> str:
    if score is None:
        return '<td class="n" data-v="nan">–</td>'
    kind = " ".join(["n", *(["best"] if best else []), *(["own"] if own else [])])
    text = number(score["value"])
    if not math.isnan(score["ci_low"]):
        text += f"<small>{number(score['ci_low'], 2)} … {number(score['ci_high'], 2)}</small>"
    return f'<td class="{kind}" data-v="{score["value"]}">{text}</td>'


def _best_prediction(metric: str, values: Mapping[str, float]) -> set[str]:
    """Return the models, the observed cells aside, whose value is as near to a perfect one as any."""
    badness = METRICS[metric].badness if metric in METRICS else float
    known = {model: badness(value) for model, value in values.items() if model != OBSERVED and not math.isnan(value)}
    return {model for model, bad in known.items() if bad == min(known.values())}


def _meanings(scores: pd.DataFrame) -> str:
    known = [metric for metric in dict.fromkeys(scores["metric"]) if metric in MEANINGS]
    return "".join(f"<dt><code>{metric}</code></dt><dd>{html.escape(MEANINGS[metric])}</dd>" for metric in known)


def _methods(adata: AnnData, scores: pd.DataFrame, config: Mapping[str, Any], session: Mapping[str, Any]) -> str:
    """Return the paragraph on what was done."""
    splits = adata.obs[config["split_key"]].astype(str).value_counts()
    sizes = ", ".join(f"{splits[name]:,} {name}" for name in _keys.SPLITS if name in splits.index)
    found = dict(_versions(session))
    versions = ", ".join(f"{name} {found[name]}" for name in PACKAGES if name in found)
    space = config["use_rep"]
    dims = adata.n_vars if space == _keys.EXPRESSION else adata.obsm[space].shape[1]
    kept = adata.uns.get(space)
    how = f", {kept['method']} of train cells" if isinstance(kept, Mapping) and "method" in kept else ""
    options = "".join(f", {name}={value}" for name, value in config["solver_kwargs"].items())
    return html.escape(
        f"{adata.n_obs:,} cells with {adata.n_vars:,} features were split into {sizes} cells. One optimal transport "
        f"map from {config['control']!r} to each perturbation ({len(config['targets'])} in all) was learnt from "
        f"unpaired train cells in {dims} dimensions ({space}{how}) and chosen on validation cells (solver "
        f"{config['solver']}{options}; seed {config['seed']}). Judged are {', '.join(sorted(set(scores['split'])))} "
        "cells. The controls were fitted to the same train cells: identity (no effect), mean shift (all cells move "
        "alike) and the Gaussian map (the optimal affine map). “Observed” compares treated train cells with the same "
        "treated cells, which is what a perfect map would score. Intervals are central 95 % ranges over resampled "
        f"cells. Versions: {versions}."
    )


def _versions(session: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(e["package"], e["version"]) for kind in ("packages", "dependencies") for e in session.get(kind, ())]


def _session(session: Mapping[str, Any]) -> str:
    rows = [*_versions(session), *session["info"].items()]
    return "".join(f"<tr><td>{html.escape(str(a))}</td><td>{html.escape(str(b))}</td></tr>" for a, b in rows)

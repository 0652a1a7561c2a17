"""The distribution of each feature: untreated, treated and predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.ndimage import gaussian_filter1d

from .. import _keys, _validate
from ..metrics import wasserstein_marginals
from ..tl._effects.displacements import largest
from . import _canvas, _cells, _colors, _draw

MAX_CELLS = 5000
N_BINS = 512
PEAK_AT_BORDER = 4
"""A peak at the border is cut off if it is more than so many times as high as the highest elsewhere."""


@_validate.takes_adata
def marginals(
    adata: AnnData,
    targets: str | Sequence[str] | None = None,
    *,
    features: str | Sequence[str] | None = None,
    key: str = _keys.MODEL,
    split: str = _keys.TEST,
    palette: Mapping[str, Any] | Sequence[Any] | str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> dict[tuple[str, str], Axes]:
    """Draw the density of features in control, observed treated and predicted cells.

    Each panel gives the Wasserstein-1 distance, in units of the feature, of the control and of the predicted cells to
    the observed treated ones. The features are genes where the representation can be decoded; control and observed
    cells then go through the same round trip as the predicted ones, so that the three can be compared. Where it cannot,
    they are its dimensions. A high peak at zero, of cells without expression, is cut off at the top.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    targets
        Perturbation or perturbations to show, all fitted ones with ``None``.
    features
        Names of genes or dimensions. With ``None``, those in which treated and control cells of the training set are
        furthest apart: six for one perturbation, three each for up to six, one each for more.
    key
        Where in ``uns`` the maps are.
    split
        Cells to show: ``"test"``, ``"ood"``, ``"valid"`` or ``"train"``. Of more than 5000 of a kind, a
        sample is shown.
    palette
        Colours of control, observed and predicted cells: by name, in order, or the name of a matplotlib colour map.
        With ``None``, those that ``uns`` keeps, if any.
    figsize
        Width and height of the figure in inches. With ``None``, what its panels need.
    ax
        As many axes as there are panels. With ``None``, a figure is made.
    show
        Whether to show the figure; ``None`` leaves that to an interactive session. With ``False``, the figure is at
        ``figure`` of the axes that are returned, and closed: ``plt.savefig`` does not know it.
    save
        File to save the figure to. ``True`` is, as in scanpy, one in ``scanpy.settings.figdir``.

    Returns
    -------
    The axes by perturbation and feature.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such representation, split or feature.
    ValueError
        If a target was not fitted, a gene was not measured in these cells, the split is unknown or has too few cells,
        there are more or fewer axes than panels, or no figure can be saved to the file.

    References
    ----------
    :cite:t:`bunne2023`, figure 2: marginal distributions of observed and predicted treated cells.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> panels = cs.pl.marginals(adata, "drug_a", features=["gene_00", "gene_01"], show=False)
    >>> list(panels)
    [('drug_a', 'gene_00'), ('drug_a', 'gene_01')]
    """
    file = _validate.figure_file(save, "marginals")
    cells = _cells.shown_cells(adata, targets, key=key, split=split)
    several = len(cells.targets) > 1
    names = cells.space.features
    asked = None if features is None else _validate.feature_names(features, names)
    filled = cells.space.filled
    if unseen := [name for name in asked or () if name in filled]:
        raise ValueError(
            f"feature {unseen[0]!r} was not measured in these cells: there is no observed density to draw. What is "
            "predicted of it is in cs.tl.subpopulation_effects and in what cs.tl.predict returns."
        )
    cells.space.warn_of_filling()
    n_default = _canvas.by_number(len(cells.targets), 6, 3, 1)
    chosen = {name: asked or _furthest_apart(cells, name, n_default) for name in cells.targets}
    panels = [(name, feature) for name, target_features in chosen.items() for feature in target_features]
    n_cols = len(asked or ()) if several and asked and len(asked) > 1 else 6 if n_default == 1 else 3
    if _canvas.is_narrow():
        n_cols = 2
    canvas = _canvas.Canvas.of(ax, panels, size=(2.8, 2.2), n_cols=min(n_cols, 6), figsize=figsize)

    colors = _colors.role_colors(adata, cells.fitted.fit, None if several else cells.targets[0], palette)
    rows = cells.rows(cells.control, at_most=MAX_CELLS)
    control = cells.space.read(rows)
    for name, target_features in chosen.items():
        columns = [names.index(feature) for feature in target_features]
        roles = {
            _colors.CONTROL: control,
            _colors.OBSERVED: cells.space.read(cells.rows(name, at_most=MAX_CELLS)),
            _colors.PREDICTED: cells.predicted(name, rows, control),
        }
        values = {role: cells.space.view(points)[:, columns] for role, points in roles.items()}
        for i, feature in enumerate(target_features):
            panel, feature_values = canvas.panels[name, feature], {role: x[:, i] for role, x in values.items()}
            _densities(panel, feature_values, colors)
            _draw.title(panel, f"{name} · {feature}" if several else feature, _distances(feature_values))
    measure = "expression" if cells.space.is_genes else "coordinate"
    unit = f"decoded {measure} of control, observed and predicted cells" if cells.space.decodes else measure
    canvas.label(x=f"{unit} (W₁: distance to observed)", y="density")
    canvas.legend(_handles(colors))
    return canvas.finish(show=show, save=file)


def _furthest_apart(cells: _cells.ShownCells, target: str, n: int) -> list[str]:
    """Return the features in which treated and control cells differ most."""
    # in train cells, as a difference by chance would otherwise be chosen and shown
    part = _keys.TRAIN if len(cells.rows(target, at_most=2, part=_keys.TRAIN)) == 2 else cells.split
    rows = (cells.rows(label, at_most=MAX_CELLS, part=part) for label in (target, cells.control))
    treated, control = (cells.space.view(cells.space.read(chosen)) for chosen in rows)
    names = cells.space.features
    return largest(np.where(cells.space.is_measured, wasserstein_marginals(treated, control), 0), names)[:n]


def _densities(ax: Axes, values: dict[str, np.ndarray], colors: dict[str, str]) -> None:
    """Draw the densities of one feature."""
    # one bandwidth for all: a difference between curves is then one between cells
    bandwidth = float(np.median([_bandwidth(x) for x in values.values()]))
    low, high = min(float(x.min()) for x in values.values()), max(float(x.max()) for x in values.values())
    bandwidth = max(bandwidth, (high - low) / 100) or 1.0
    # what cannot be negative is not drawn so
    start = 0.0 if 0 <= low < 3 * bandwidth else low - 3 * bandwidth
    edges = np.linspace(start, high + 3 * bandwidth, N_BINS + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    top = 0.0
    for role, x in values.items():
        curve, predicted = density(x, edges, bandwidth), role == _colors.PREDICTED
        # a peak at the border, of cells without expression, may not flatten all others
        top = max(top, min(curve.max(), PEAK_AT_BORDER * curve[middle > start + 4 * bandwidth].max(initial=0)))
        ax.plot(middle, curve, color=colors[role], linewidth=1.8 if predicted else 1.0, label=role)
        if not predicted:
            ax.fill_between(middle, curve, color=colors[role], alpha=0.25, linewidth=0)
    ax.set(xlim=(start, edges[-1]), ylim=(0, 1.05 * top), yticks=[])
    _draw.tidy(ax)
    ax.spines["left"].set_visible(False)


def _distances(values: dict[str, np.ndarray]) -> str:
    """Return what is printed of the distances to observed cells."""
    observed = values[_colors.OBSERVED][:, None]
    far, near = (
        float(wasserstein_marginals(values[role][:, None], observed)[0])
        for role in (_colors.CONTROL, _colors.PREDICTED)
    )
    return f"W$_1$: control {far:.2g}, predicted {near:.2g}"


def _bandwidth(values: np.ndarray) -> float:
    """Return Silverman's bandwidth."""
    low, high = np.quantile(values, [0.25, 0.75])
    scales = [float(scale) for scale in (values.std(), (high - low) / 1.34) if scale > 0]
    return 0.9 * min(scales, default=0.0) * len(values) ** -0.2


def density(values: np.ndarray, edges: np.ndarray, bandwidth: float) -> np.ndarray:
    """Return the Gaussian kernel density of values in equal bins with the given edges.

    Kernels are reflected at the first edge and at the last, so that the density integrates to one.
    """
    width = edges[1] - edges[0]
    counts, _ = np.histogram(values, edges)
    smooth: np.ndarray = gaussian_filter1d(counts / (len(values) * width), bandwidth / width, mode="reflect")
    return smooth


def _handles(colors: dict[str, str]) -> list[Patch | Line2D]:
    return [
        Patch(facecolor=to_rgba(colors[_colors.CONTROL], 0.25), edgecolor=colors[_colors.CONTROL], label="control"),
        Patch(facecolor=to_rgba(colors[_colors.OBSERVED], 0.25), edgecolor=colors[_colors.OBSERVED], label="observed"),
        Line2D([], [], color=colors[_colors.PREDICTED], linewidth=1.8, label="predicted"),
    ]

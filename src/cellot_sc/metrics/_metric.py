"""What a metric knows of itself, and the registry in which it is looked up by its name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from .._plugins import Registry, origin
from . import _check
from ._resampling import CellResampling, Resampling


@dataclass(frozen=True, eq=False)
class Metric:
    """A metric, and all that judging, figures and reports have to know of it.

    It can be called with clouds of cells, arrays of shape ``(n_cells, n_features)``, which are checked first.

    Parameters
    ----------
    name
        What it is called in tables and in ``metrics=``.
    function
        Takes predicted and observed cells, and control cells if ``with_control``; returns a number.
    label
        What figures and sentences call it.
    meaning
        What it says, in one sentence for a reader who is no statistician.
    cites
        Publications: keys of the report's references, or for others what a list of references says.
    best
        Its value for a perfect prediction.
    bounds
        Between which numbers it lies, apart from the noise of an unbiased estimate. Where the best value is one of
        them, the further from it, the worse. Where it lies between them, both sides are worse; if the metric is
        positive without an upper bound, it is a ratio, and twice as much is as bad as half.
    with_control
        Whether the function takes control cells too.
    resampling
        How its value is resampled: from the cells that were drawn, unless there is a faster way, or none.
    across_perturbations
        Whether it compares perturbations: the function takes their predicted and observed effects in place of cells,
        shape ``(n_perturbations, n_features)``, and returns a value for each. Such metrics are not resampled.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc import metrics
    >>> spread = metrics.Metric("spread", lambda x, y: abs(x.std() - y.std()), "difference of spreads")
    >>> spread(np.zeros((3, 2)), [[1, 1], [3, 3]])
    1.0
    """

    name: str
    function: Callable[..., Any]
    label: str
    meaning: str = field(default="", kw_only=True)
    cites: str | tuple[str, ...] = field(default=(), kw_only=True)
    best: float = field(default=0.0, kw_only=True)
    bounds: tuple[float, float] = field(default=(0.0, math.inf), kw_only=True)
    with_control: bool = field(default=False, kw_only=True)
    resampling: Resampling = field(default=CellResampling(), kw_only=True)
    across_perturbations: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        """Take one citation for several."""
        object.__setattr__(self, "cites", (self.cites,) if isinstance(self.cites, str) else tuple(self.cites))

    def __call__(self, *clouds: ArrayLike) -> Any:
        """Return the metric of predicted, observed and, if it needs them, control cells.

        Raises
        ------
        TypeError
            If there are fewer or more clouds than it takes.
        ValueError
            If a cloud is no dense matrix, has fewer than two cells or holds NaN or inf, or the clouds differ in the
            number of features.
        """
        names = ("predicted", "observed", "control")[: 3 if self.with_control else 2]
        if len(clouds) != len(names):
            raise TypeError(f"metric {self.name!r} takes {', '.join(names)}: {len(clouds)} clouds of cells were given.")
        value = self.function(*_check.clouds(**dict(zip(names, clouds, strict=True))))
        return value if self.across_perturbations else float(value)

    @property
    def origin(self) -> str:
        """Module and name of the function."""
        return origin(self.function)

    @overload
    def badness(self, value: float) -> float: ...
    @overload
    def badness(self, value: np.ndarray) -> np.ndarray: ...
    def badness(self, value: Any) -> Any:
        """Return a number that is the larger, the worse the value is, or one for each of several values."""
        low, high = self.bounds
        if self.best == low:
            return value - self.best
        if self.best == high:
            return self.best - value
        if (low, high) == (0, math.inf):
            with np.errstate(divide="ignore"):
                bad = np.abs(np.log(np.maximum(value, 0) / self.best))
            return bad if isinstance(value, np.ndarray) else float(bad)
        return abs(value - self.best)

    @property
    def is_distance(self) -> bool:
        """Whether it is zero at best and grows without bound."""
        return self.best == self.bounds[0] == 0

    def centred(self, resamples: np.ndarray, value: float) -> np.ndarray:
        """Shift resamples to the estimate, within what the metric can be.

        A resample is further from everything than the cells it was drawn from, as those are from their population: the
        noise that the estimate contains once would be in its interval twice.
        """
        if np.isnan(resamples).all():
            return resamples
        return np.clip(resamples + (value - np.nanmean(resamples)), *self.bounds)


METRICS: Registry[Metric] = Registry(Metric, "cellot_sc.metrics")
"""Every metric by its name in the table of :func:`cellot_sc.tl.evaluate`, those of other distributions included."""


def register(metric: Metric) -> Metric:
    """Let a metric be found by its name, in :func:`cellot_sc.tl.evaluate` and in the shell.

    A distribution names its metrics as entry points of the group ``cellot_sc.metrics`` instead, and they are found
    without being imported.

    Parameters
    ----------
    metric
        The metric. :func:`cellot_sc.metrics.check_metric` tells whether it keeps to the contract.

    Returns
    -------
    The same metric.

    Raises
    ------
    TypeError
        If it is no metric.
    ValueError
        If its name is taken by another one.

    Examples
    --------
    >>> from cellot_sc import metrics
    >>> spread = metrics.Metric("doc_spread", lambda x, y: abs(x.std() - y.std()), "difference of spreads")
    >>> metrics.register(spread) is metrics.METRICS["doc_spread"]
    True
    """
    return METRICS.register(metric)

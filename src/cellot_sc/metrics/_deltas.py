"""How well the change from untreated to treated is predicted, feature by feature.

Every function takes predicted, observed and control cells. To be fair to a prediction that adds nothing to its inputs,
the control cells should be the ones it was made from.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from .. import _numbers
from . import _check
from ._metric import Metric, register
from ._resampling import MomentResampling
from ._stats import pearson, welch


def pearson_delta(x: ArrayLike, y: ArrayLike, control: ArrayLike) -> float:
    """Pearson correlation between the predicted and the observed change of the feature means.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.
    control
        Control cells, shape ``(n_control, n_features)``.

    Returns
    -------
    Correlation in [-1, 1]; NaN if either change is the same in all features (as for a prediction of no effect).

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, or the clouds differ in the number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import pearson_delta
    >>> control = np.zeros((2, 3))
    >>> round(pearson_delta(control + [0, 1, 2], control + [0, 2, 4], control), 6)
    1.0
    """
    return pearson(*_deltas(*_check.clouds(x=x, y=y, control=control)))


def cosine_delta(x: ArrayLike, y: ArrayLike, control: ArrayLike) -> float:
    """Cosine of the angle between the predicted and the observed change of the feature means.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.
    control
        Control cells, shape ``(n_control, n_features)``.

    Returns
    -------
    Cosine in [-1, 1]; NaN if either change is zero (as for a prediction of no effect).

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, or the clouds differ in the number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import cosine_delta
    >>> control = np.zeros((2, 2))
    >>> cosine_delta(control + [0, 1], control + [2, 0], control)
    0.0
    """
    predicted, observed = _deltas(*_check.clouds(x=x, y=y, control=control))
    length = np.linalg.norm(predicted) * np.linalg.norm(observed)
    return float(np.clip(predicted @ observed / length, -1, 1)) if length > 0 else float("nan")


def deg_scores(y: ArrayLike, control: ArrayLike) -> np.ndarray:
    """Score how differentially expressed every feature is: Welch's t statistic of treated against control cells.

    Parameters
    ----------
    y
        Treated cells, shape ``(n, n_features)``.
    control
        Control cells, shape ``(n_control, n_features)``.

    Returns
    -------
    Scores, positive where treated cells have more, shape ``(n_features,)``.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, or the clouds differ in the number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import deg_scores
    >>> control = np.array([[0.0, 0.0], [2.0, 2.0]])
    >>> deg_scores(control + [0, 3], control).round(2)
    array([0.  , 2.12])
    """
    y, control = _check.clouds(y=y, control=control)
    return welch(y, control)[0]


def r2_delta(x: ArrayLike, y: ArrayLike, control: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Share of the observed change's weighted variance over features that the predicted change explains.

    R^2 = 1 - sum_g w_g (delta_g - predicted_g)^2 / sum_g w_g (delta_g - mean_w(delta))^2, so that the features that do
    respond decide, not the many that do not.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.
    control
        Control cells, shape ``(n_control, n_features)``.
    weights
        Non-negative weight of every feature, shape ``(n_features,)``. With ``None``, the absolute :func:`deg_scores` of
        the observed cells, scaled to [0, 1] and squared.

    Returns
    -------
    At most 1; zero for the weighted mean change in every feature; NaN if the observed change is the same in all.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, the clouds differ in the number of features, or the
        weights do not fit.

    References
    ----------
    Mejia et al., "Diversity by design" (2025), weighted delta R^2; here, changes are relative to control cells.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import r2_delta
    >>> control = np.zeros((2, 3))
    >>> r2_delta(control + [0, 2, 4], control + [0, 2, 4], control)
    1.0
    >>> r2_delta(control + [1, 1, 1], control + [0, 1, 2], control, weights=[1, 1, 1])
    0.0
    """
    x, y, control = _check.clouds(x=x, y=y, control=control)
    predicted, observed = _deltas(x, y, control)
    if weights is None:
        score = np.abs(welch(y, control)[0])
        w = ((score - score.min()) / max(np.ptp(score), np.finfo(float).tiny)) ** 2
    else:
        w = _check.numbers_of(weights)
        fit = w.shape == observed.shape and w.dtype.kind in "fiub" and np.isfinite(w).all() and (w >= 0).all()
        if not fit or not w.any():
            raise ValueError(
                f"weights is {weights!r}: {observed.size} non-negative finite numbers, not all zero, are needed."
            )
        w = w.astype(np.float64)
    if not w.any():
        return float("nan")
    spread = w @ (observed - w @ observed / w.sum()) ** 2
    return float(1 - w @ (observed - predicted) ** 2 / spread) if spread > 0 else float("nan")


def deg_overlap(x: ArrayLike, y: ArrayLike, control: ArrayLike, *, k: int = 50) -> float:
    """Share of the k most differentially expressed features that the prediction finds too.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.
    control
        Control cells, shape ``(n_control, n_features)``.
    k
        How many features, by absolute :func:`deg_scores`; at most all of them, where the share is one.

    Returns
    -------
    Share in [0, 1]; by chance k / n_features.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, the clouds differ in the number of features, or k is
        not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import deg_overlap
    >>> control = np.random.default_rng(0).normal(size=(50, 4))
    >>> deg_overlap(control + [5, 5, 0, 0], control + [5, 0, 5, 0], control, k=2)
    0.5
    """
    x, y, control = _check.clouds(x=x, y=y, control=control)
    found, true = _top(welch(x, control)[0], k), _top(welch(y, control)[0], k)
    return np.intersect1d(found, true).size / true.size


def sign_accuracy(x: ArrayLike, y: ArrayLike, control: ArrayLike, *, k: int = 50) -> float:
    """Share of the k most differentially expressed features that the prediction moves the right way.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.
    control
        Control cells, shape ``(n_control, n_features)``.
    k
        How many features, by absolute :func:`deg_scores` of the observed cells; at most all of them.

    Returns
    -------
    Share in [0, 1]: 0.5 by chance, 0 for a prediction that moves nothing.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, the clouds differ in the number of features, or k is
        not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import sign_accuracy
    >>> control = np.zeros((2, 2))
    >>> sign_accuracy(control + [1, -1], control + [2, 2], control)
    0.5
    """
    x, y, control = _check.clouds(x=x, y=y, control=control)
    predicted, observed = _deltas(x, y, control)
    top = _top(welch(y, control)[0], k)
    return float((np.sign(predicted[top]) == np.sign(observed[top])).mean())


def direction(x: ArrayLike, y: ArrayLike, control: ArrayLike, *, fdr: float = 0.05) -> float:
    """Share of all significantly changed features that the prediction moves the right way.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.
    control
        Control cells, shape ``(n_control, n_features)``.
    fdr
        Features count whose change in the observed cells is significant at this false discovery rate (Welch's t test,
        Benjamini-Hochberg).

    Returns
    -------
    Share in [0, 1]: 0.5 by chance, 0 for a prediction that moves nothing; NaN if no feature changes significantly.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, the clouds differ in the number of features, or fdr is
        not in (0, 1).

    References
    ----------
    The direction match of the cell-eval package, there with Wilcoxon tests.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import direction
    >>> control = np.random.default_rng(0).normal(size=(50, 3))
    >>> direction(control + [1, -1, 9], control + [5, 5, 0], control)
    0.5
    """
    x, y, control = _check.clouds(x=x, y=y, control=control)
    if not isinstance(fdr, float | np.floating) or not 0 < fdr < 1:
        raise ValueError(f"fdr is {fdr!r}: a number in (0, 1) is needed.")
    predicted, observed = _deltas(x, y, control)
    significant = stats.false_discovery_control(welch(y, control)[1]) <= fdr
    if not significant.any():
        return float("nan")
    return float((np.sign(predicted[significant]) == np.sign(observed[significant])).mean())


def variance_ratio(x: ArrayLike, y: ArrayLike) -> float:
    """Total variance of the predicted cells, as a multiple of that of the observed cells.

    Parameters
    ----------
    x
        Predicted cells, shape ``(m, n_features)``.
    y
        Observed cells, shape ``(n, n_features)``.

    Returns
    -------
    Ratio: ideal 1, below where a prediction is too uniform; NaN if the observed cells do not vary.

    Raises
    ------
    ValueError
        If a cloud has fewer than two cells or holds NaN or inf, or the clouds differ in the number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import variance_ratio
    >>> y = np.array([[0.0], [2.0]])
    >>> variance_ratio(2 * y, y)
    4.0
    """
    x, y = _check.clouds(x=x, y=y)
    total = y.var(axis=0, ddof=1).sum()
    return float(x.var(axis=0, ddof=1).sum() / total) if total > 0 else float("nan")


def _deltas(x: np.ndarray, y: np.ndarray, control: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    base = control.mean(axis=0)
    return x.mean(axis=0) - base, y.mean(axis=0) - base


def _top(score: np.ndarray, k: int) -> np.ndarray:
    _numbers.whole(k, 1, what="k")
    return np.argsort(-np.abs(score), kind="stable")[:k]


for _metric in (
    Metric(
        "pearson_delta",
        pearson_delta,
        "correlation of predicted and observed changes of the mean",
        meaning="Correlation of the predicted with the observed change of the mean cell: 1 if every feature changes as "
        "observed, 0 if the changes have nothing in common.",
        best=1.0,
        bounds=(-1.0, 1.0),
        with_control=True,
        resampling=MomentResampling(),
    ),
    Metric(
        "cosine_delta",
        cosine_delta,
        "cosine of predicted and observed changes of the mean",
        meaning="Whether the predicted change of the mean cell points the way of the observed one: 1 if it does, 0 if "
        "it is at right angles.",
        best=1.0,
        bounds=(-1.0, 1.0),
        with_control=True,
        resampling=MomentResampling(),
    ),
    Metric(
        "r2_delta",
        r2_delta,
        "explained share of the change of the mean",
        meaning="Share of the observed change of the mean cell that is predicted, the features that respond counting "
        "most: 1 if all of it is.",
        cites=("Mejia et al., Diversity by design, 2025",),
        best=1.0,
        bounds=(-math.inf, 1.0),
        with_control=True,
    ),
    Metric(
        "deg_overlap",
        deg_overlap,
        "overlap of the most changed features",
        meaning="Share of the 50 features that change most in observed cells that the prediction finds too.",
        best=1.0,
        bounds=(0.0, 1.0),
        with_control=True,
    ),
    Metric(
        "sign_accuracy",
        sign_accuracy,
        "right signs of the most changed features",
        meaning="Share of the 50 features that change most in observed cells that are predicted to move the right way; "
        "a half by chance.",
        best=1.0,
        bounds=(0.0, 1.0),
        with_control=True,
    ),
    Metric(
        "direction",
        direction,
        "right signs of the changed features",
        meaning="Share of all significantly changed features that are predicted to move the right way; a half by "
        "chance.",
        best=1.0,
        bounds=(0.0, 1.0),
        with_control=True,
    ),
    Metric(
        "variance_ratio",
        variance_ratio,
        "ratio of variances",
        meaning="Spread of predicted over that of observed cells: below 1, cells are too much alike.",
        best=1.0,
        resampling=MomentResampling(),
    ),
):
    register(_metric)

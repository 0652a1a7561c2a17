"""Whether predictions tell perturbations apart."""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from .._calls import plain
from . import _check
from ._metric import Metric, register
from ._resampling import NoResampling

DISTANCES: tuple[Literal["l1", "l2", "cosine"], ...] = ("l1", "l2", "cosine")


@plain
def discrimination_score(
    predicted: ArrayLike, observed: ArrayLike, *, distance: Literal["l1", "l2", "cosine"] = "l1"
) -> np.ndarray:
    """Rank, for every perturbation, its own observed effect among all by distance from the predicted effect.

    The score is 1 - rank / n_perturbations, where the rank is the number of other observed effects that are closer to
    the prediction than the right one (those equally close count half).

    Parameters
    ----------
    predicted
        Predicted effect of every perturbation, such as the change of the feature means, shape
        ``(n_perturbations, n_features)``.
    observed
        Observed effects in the same order and of the same shape.
    distance
        How effects are compared.

    Returns
    -------
    Scores, shape ``(n_perturbations,)``: 1 is best, 1 / n_perturbations worst, about 0.5 is chance.

    Raises
    ------
    TypeError
        If the distance is no text.
    ValueError
        If there are fewer than two perturbations, shapes differ, an effect holds NaN or inf, or the distance is
        unknown.

    References
    ----------
    The perturbation discrimination score of the cell-eval package and of the Virtual Cell Challenge.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.metrics import discrimination_score
    >>> discrimination_score(np.array([[1.0, 0.0], [0.9, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([1. , 0.5])
    """
    x, y = _check.clouds(predicted=predicted, observed=observed)
    if len(x) != len(y):
        raise ValueError(
            f"{len(x)} predicted effects and {len(y)} observed ones: each needs its counterpart, in the same order."
        )
    if distance not in DISTANCES:
        raise ValueError(f"distance {distance!r} is unknown. Valid: {', '.join(map(repr, DISTANCES))}.")
    if distance == "cosine":
        far = 1 - _unit(x) @ _unit(y).T
    else:
        far = cdist(x, y, "cityblock" if distance == "l1" else "euclidean")
    own = np.diag(far)[:, None]
    rank = (far < own).sum(axis=1) + ((far == own).sum(axis=1) - 1) / 2
    return 1 - rank / len(x)


def _unit(effects: np.ndarray) -> np.ndarray:
    """Scale effects to length one; an effect of zero stays so, equally far from every other."""
    length = np.linalg.norm(effects, axis=1, keepdims=True)
    return np.divide(effects, length, out=np.zeros_like(effects), where=length > 0)


for _distance in DISTANCES:
    register(
        Metric(
            f"discrimination_{_distance}",
            partial(discrimination_score, distance=_distance),
            f"discrimination of perturbations ({_distance})",
            meaning="How well the predicted change of the mean tells a perturbation from the others: 1 if its own "
            "observed change is the closest of all, 0.5 by chance.",
            best=1.0,
            bounds=(0.0, 1.0),
            resampling=NoResampling(),
            across_perturbations=True,
        )
    )

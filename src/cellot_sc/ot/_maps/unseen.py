"""A map for a context that was never seen, made of what those did that were."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.spatial.distance import cdist

from ..._numbers import shown
from ..._states import NOT_NEGATIVE, POSITIVE, SHARES, Numbers
from .base import Inner, State, TransportMap

MAX_STEPS = 60
"""Steps in which a cell is moved back."""


class UnseenMap(TransportMap):
    """What a cell of an unseen context does, if that is like the contexts that were seen: a mixture of these.

    A cell moves by a share of the parent's displacement, one of the mean shift of the seen contexts, and one of what
    these do in its own neighbourhood: near the centroids of their control cells. Seen contexts weigh the more, the more
    alike their control cells are to those of the new one, once it is known where these lie (:meth:`adapted`).

    Parameters
    ----------
    parent
        The map of all seen contexts together.
    means, noise
        Mean control cell of each seen context, shape ``(k, d)``, and the expected square of its error, ``(k,)``.
    shares
        How much each counts, shape ``(k,)``, summing to 1.
    shifts
        Difference of the means of treated and control cells of each, shape ``(k, d)``.
    centroids, displacements
        Means of at least 20 neighbouring control cells of one context, and how these are displaced, ``(m, d)``.
    owners
        To which context each centroid belongs, shape ``(m,)``.
    widths
        Mean squared distance of control cells to their centroid, for each context, shape ``(k,)``.
    kept
        Share of each dimension of shifts and local displacements that contexts agree on, shape ``(d,)``.
    rule
        Share of the parent, of the shift, and of what is local; sharpness of the weights; and 1 if neighbourhoods are
        relative to the mean of a context, else 0.
    here
        Where the new context's control cells lie, shape ``(d,)``.

    Raises
    ------
    ValueError
        If a context has no centroid, or a centroid no context.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc.ot import MeanShiftMap, UnseenMap
    >>> means, shifts = np.array([[0.0], [10.0]]), np.array([[1.0], [3.0]])
    >>> seen = (means, np.zeros(2), np.full(2, 0.5), shifts, means, shifts, np.arange(2), np.ones(2), np.ones(1))
    >>> mixture = UnseenMap(MeanShiftMap(np.ones(1)), *seen, np.array([0.0, 1.0, 0.0, 5.0, 0.0]), np.array([5.0]))
    >>> x = np.array([[9.0], [11.0]], dtype=np.float32)
    >>> [round(float(of.transport(x)[0, 0]), 2) for of in (mixture, mixture.adapted(x))]
    [11.0, 11.99]
    """

    kind = "unseen"
    fields: ClassVar = {
        "parent": Inner(),
        "means": Numbers("kd"),
        "noise": Numbers("k", NOT_NEGATIVE),
        "shares": Numbers("k", SHARES),
        "shifts": Numbers("kd"),
        "centroids": Numbers("md"),
        "displacements": Numbers("md"),
        "owners": Numbers("m", NOT_NEGATIVE),
        "widths": Numbers("k", POSITIVE),
        "kept": Numbers("d"),
        "rule": Numbers("5", NOT_NEGATIVE),
        "here": Numbers("d"),
    }

    def __init__(
        self,
        parent: TransportMap,
        means: np.ndarray,
        noise: np.ndarray,
        shares: np.ndarray,
        shifts: np.ndarray,
        centroids: np.ndarray,
        displacements: np.ndarray,
        owners: np.ndarray,
        widths: np.ndarray,
        kept: np.ndarray,
        rule: np.ndarray,
        here: np.ndarray,
    ) -> None:
        self.parent, self.n_dims = parent, parent.n_dims
        arrays = (means, noise, shares, shifts, centroids, displacements, owners, widths, kept, rule, here)
        of = [np.asarray(array, dtype=np.float32) for array in arrays]
        self.means, self.noise, self.shares, self.shifts, self.centroids, self.displacements, self.owners = of[:7]
        self.widths, self.kept, self.rule, self.here = of[7:]
        if set(self.owners.tolist()) != set(range(len(self.means))):
            raise ValueError(
                f"owners is {shown(self.owners)}; the number of one of {len(self.means)} contexts is needed for each "
                "centroid, and at least one centroid for each context."
            )
        self._owned = [np.flatnonzero(self.owners == k) for k in range(len(self.means))]

    def __repr__(self) -> str:
        return f"{super().__repr__()} of {len(self.means)} contexts"

    def adapted(self, control: np.ndarray) -> UnseenMap:
        """Return the map of a context of which these are the control cells, shape ``(n_cells, n_dims)``."""
        x = self._checked(control).astype(np.float64)
        here = x.mean(axis=0)
        # with one cell, its distance says as much of the cell as of its context
        own = x.var(axis=0).sum() / (len(x) - 1) if len(x) > 1 else float(self.widths.mean())
        far = np.maximum(((self.means - here) ** 2).sum(axis=1) - self.noise - own, 0) / self._apart()
        shares = self.shares * np.exp(-self.rule[3] * (far - far.min()))
        # none is left without any, so that the state can be read
        shares = np.maximum(shares / shares.sum(), 1e-6)
        state: dict[str, Any] = {name: getattr(self, name) for name in self.fields}
        return UnseenMap(**state | {"shares": shares / shares.sum(), "here": here})

    def _apart(self) -> float:
        """Return the mean squared distance between seen contexts, net of noise."""
        upper = np.triu_indices(len(self.means), 1)
        squares = cdist(self.means, self.means, "sqeuclidean") - self.noise[:, None] - self.noise
        return max(float(squares[upper].mean()), 1e-9) if len(upper[0]) else 1.0

    def _forward(self, x: np.ndarray) -> np.ndarray:
        parent, shift, local = self.rule[:3]
        beyond = np.zeros(x.shape, dtype=np.float64)
        if shift:
            beyond += shift * (self.shares @ self.shifts)
        if local:
            beyond += local * self._local(x)
        beyond *= self.kept
        if parent:
            beyond += parent * (self.parent._forward(x).astype(np.float64) - x)
        return (x + beyond).astype(np.float32)

    def _local(self, x: np.ndarray) -> np.ndarray:
        """Return what contexts do near every cell, shape ``(n_cells, n_dims)``."""
        out = np.zeros(x.shape)
        for k, rows in enumerate(self._owned):
            # places relative to the mean of a context are those of cells that play the same part in another
            z = x + (self.means[k] - self.here) if self.rule[4] else x
            squares = cdist(z, self.centroids[rows], "sqeuclidean")
            near = np.exp(-2 * (squares - squares.min(axis=1, keepdims=True)) / self.widths[k])
            out += self.shares[k] * (near / near.sum(axis=1, keepdims=True)) @ self.displacements[rows]
        return out

    def _backward(self, y: np.ndarray) -> np.ndarray:
        x, best = y.astype(np.float64), np.full(len(y), np.inf)
        at, wrong, step = x.copy(), np.zeros_like(x), np.ones(len(y))
        for _ in range(MAX_STEPS):
            error = y - self._forward(at.astype(np.float32))
            square = (error**2).sum(axis=1)
            nearer = square < best
            x[nearer], wrong[nearer], best[nearer] = at[nearer], error[nearer], square[nearer]
            step[~nearer] /= 2
            at = x + step[:, None] * wrong
        return x.astype(np.float32)

    def state(self) -> State:
        """Return the arrays, and the state of the parent."""
        return super().state() | {"parent": self.parent.state()}

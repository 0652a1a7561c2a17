"""What to do with a context that was never seen: what of the seen ones it shares is chosen by leaving these out.

Candidates are the parent's map and mixtures of it with the mean shift of the contexts and with what they do locally
(:class:`.UnseenMap`); each context is predicted from the others in turn, from its control cells alone, and the energy
distance to its treated cells decides. The parent stands unless a mixture is better beyond the spread over contexts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

from ._adaptive import shrunk
from ._maps.base import TransportMap
from ._maps.unseen import UnseenMap
from ._problem import Problem

MIN_CONTEXTS = 3
"""Contexts from which one can be left out to learn from the others."""
LEAST, MOST_CENTROIDS = 20, 64
"""Control cells of a centroid at least, and centroids of a context at most."""
MIN_CELLS = 3
"""Cells of either side without which a context tells nothing of others."""
MOST_CELLS = 2000
"""Cells of a context and side from which its centroids and its pairs are made."""
N_PAIRED, N_DRAWS = 400, 2
"""Cells of either side that are paired at a time, and how often."""
N_JUDGED, LEAST_JUDGED = 2000, 5
"""Control cells, of all contexts, by which candidates are judged, and those of one without which it does not count."""
N_FOLDS = 8
"""Parts in which contexts are left out, at most."""
CONFIDENCE = 0.84
"""Probability, as of one standard deviation, with which a mixture has to be better than the parent."""

type Path = tuple[int, ...]
type Mixing = tuple[float, float, float, float, float]
PARENT: Mixing = (1.0, 0.0, 0.0, 0.0, 0.0)
SHARES = ((0.0, 0.0, 1.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5), (0.0, 1.0, 0.0), (0.5, 0.5, 0.0))
"""Shares of the parent, of the shift and of what is local."""
SHARPNESS = (0.0, 1.0, 3.0)
RULES: list[tuple[Mixing, bool]] = [
    ((*shares, sharpness, centred), agreed)
    for shares, sharpness, centred, agreed in itertools.product(SHARES, SHARPNESS, (0.0, 1.0), (False, True))
    if shares[2] or not centred
]
"""Mixtures that are tried, each also shrunk to what contexts agree on."""


@dataclass(frozen=True)
class Member:
    """What is kept of a context that was seen.

    Parameters
    ----------
    mean, shift
        Mean of its control cells, and how far that of the treated ones is from it, shape ``(d,)``.
    noise
        Expected squared error of the mean.
    error
        Mean over dimensions of the squared error of the shift.
    centroids, displacements
        Means of neighbouring control cells, and how these are displaced, shape ``(m, d)``.
    width
        Mean squared distance of control cells to their centroid.
    n_cells
        Number of its cells on the side where it has fewer.
    """

    mean: np.ndarray
    shift: np.ndarray
    noise: float
    error: float
    centroids: np.ndarray
    displacements: np.ndarray
    width: float
    n_cells: int


def unseen_maps(
    problem: Problem, depth: int, parents: Mapping[Path, TransportMap], stand_in: Callable[[Problem, int], TransportMap]
) -> dict[Path, UnseenMap]:
    """Return the map of an unseen context within each outer one, of those that have one other than their parent's.

    Parameters
    ----------
    problem
        Problem with contexts.
    depth
        Column of the contexts in question.
    parents
        The map of each outer context, by its codes.
    stand_in
        Fits an affine map to a problem, with maps of the contexts of so many levels; called with the problem without
        those that are left out.
    """
    # many small matrices: threads that wait for each other cost more than they save
    with threadpool_limits(1, "blas"):
        sides = [_Drawn(*of, depth) for of in _clouds(problem)]
        members = _members(sides)
        names = sorted({path[-1] for path in members})
        found = _choice(problem, sides, members, names, depth, stand_in) if len(names) >= MIN_CONTEXTS else None
    if found is None:
        return {}
    made = {}
    for path, parent in parents.items():
        inner = pooled([member for of, member in members.items() if of[:-1] == path])
        if len(inner) > 1:
            made[path] = mixture(inner, parent, *found)
    return made


def pooled(members: Sequence[Member]) -> list[Member]:
    """Return those with :data:`LEAST` cells of either side, and the others as one, if together they have as many."""
    large = [member for member in members if member.n_cells >= LEAST]
    small = [member for member in members if member.n_cells < LEAST]
    sizes = np.array([member.n_cells for member in small])
    if sizes.sum() < LEAST:
        return large
    share = sizes / sizes.sum()
    mean, shift = (share @ np.array([getattr(one, name) for one in small]) for name in ("mean", "shift"))
    noise, error = (float(share**2 @ [getattr(one, name) for one in small]) for name in ("noise", "error"))
    width = float(share @ [one.width for one in small])
    return [*large, Member(mean, shift, noise, error, mean[None], shift[None], width, int(sizes.sum()))]


def mixture(members: Sequence[Member], parent: TransportMap, rule: Mixing, agreed: bool) -> UnseenMap:
    """Return the mixture of several contexts by a rule, shrunk to what they agree on or not."""
    shifts = np.array([member.shift for member in members])
    errors = np.array([member.error for member in members])
    between = max(float(shifts.var(axis=0, ddof=1).mean() - errors.mean()), 0.0)
    # cells that are all alike have no error
    shares = 1 / np.maximum(between + errors, 1e-12)
    shares /= shares.sum()
    mean = shares @ shifts
    kept = np.ones_like(mean)
    if agreed:
        # how far contexts disagree is the noise of their mean
        noise = shares @ (shifts - mean) ** 2 * (shares**2).sum() / (1 - (shares**2).sum())
        unit = np.sqrt(noise.mean()) or 1.0
        some = np.abs(mean) > 1e-9 * unit
        estimate = unit * shrunk((mean / unit)[None], np.maximum(noise / unit**2, 1e-9)[None])[0]
        kept = np.divide(estimate, mean, out=np.ones_like(mean), where=some)
    return UnseenMap(
        parent,
        np.array([member.mean for member in members]),
        np.array([member.noise for member in members]),
        shares,
        shifts,
        np.concatenate([member.centroids for member in members]),
        np.concatenate([member.displacements for member in members]),
        np.repeat(np.arange(len(members)), [len(member.centroids) for member in members]),
        np.array([member.width for member in members]),
        kept,
        np.array(rule),
        shares @ np.array([member.mean for member in members]),
    )


class _Drawn:
    """Cells of one side by their context, at most :data:`MOST_CELLS` of each: those that weigh more the likelier."""

    def __init__(self, cells: np.ndarray, contexts: np.ndarray, weights: np.ndarray | None, depth: int) -> None:
        self.cells, self.codes = cells, contexts.reshape(len(contexts), -1)[:, : depth + 1]
        known = np.flatnonzero((self.codes >= 0).all(axis=1) & (True if weights is None else weights > 0))
        paths, position = np.unique(self.codes[known], axis=0, return_inverse=True)
        order = known[np.argsort(position.ravel(), kind="stable")]
        ends = np.cumsum(np.bincount(position.ravel(), minlength=len(paths)))[:-1]
        self.rows: dict[Path, np.ndarray] = {}
        for path, rows in zip(map(tuple, paths.tolist()), np.split(order, ends), strict=True):
            if weights is not None:
                n = min(MOST_CELLS, int(np.count_nonzero(weights[rows])))
                share = weights[rows] / weights[rows].sum()
                self.rows[path] = np.random.default_rng(path).choice(rows, n, replace=False, p=share)
            else:
                self.rows[path] = np.random.default_rng(path).permutation(rows)[:MOST_CELLS]

    def at(self, path: Path, most: int | None = None) -> np.ndarray:
        """Return cells of a context, in a random order."""
        return self.cells[self.rows[path][:most]]


def _clouds(problem: Problem) -> list[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
    assert problem.source_contexts is not None and problem.target_contexts is not None
    return [
        (problem.source, problem.source_contexts, problem.source_weights),
        (problem.target, problem.target_contexts, problem.target_weights),
    ]


def _members(sides: Sequence[_Drawn]) -> dict[Path, Member]:
    source, target = sides
    return {
        path: _member(source.at(path).astype(np.float64), target.at(path).astype(np.float64), path)
        for path in source.rows
        if path in target.rows and min(len(source.rows[path]), len(target.rows[path])) >= MIN_CELLS
    }


def _member(x: np.ndarray, y: np.ndarray, path: Path) -> Member:
    mean, shift = x.mean(axis=0), y.mean(axis=0) - x.mean(axis=0)
    noise, other = (side.var(axis=0).sum() / (len(side) - 1) for side in (x, y))
    error = (noise + other) / x.shape[1]
    parts = list(leaves(x, max(LEAST, len(x) // MOST_CENTROIDS)))
    width = max(float(np.mean([x[leaf].var(axis=0).sum() for leaf in parts])), 1e-9)
    centroids = np.array([x[leaf].mean(axis=0) for leaf in parts])
    if len(parts) == 1 or len(y) < LEAST:
        # what is local is that of the whole context where there are few cells
        return Member(mean, shift, noise, error, mean[None], shift[None], width, min(len(x), len(y)))
    displaced, n_drawn = _pairs(x, y, path)
    drawn = [leaf[n_drawn[leaf] > 0] for leaf in parts]
    enough = [i for i, leaf in enumerate(drawn) if len(leaf) >= MIN_CELLS]
    if len(enough) < 2:
        return Member(mean, shift, noise, error, mean[None], shift[None], width, min(len(x), len(y)))
    local = np.array([displaced[drawn[i]].mean(axis=0) for i in enough]) - shift
    chance = np.array([displaced[drawn[i]].var(axis=0) / (len(drawn[i]) - 1) for i in enough]).mean(axis=0)
    # what neighbourhoods differ in is kept as far as it is more than chance
    kept = np.maximum(1 - chance / np.maximum((local**2).mean(axis=0), 1e-12), 0)
    return Member(mean, shift, noise, error, centroids[enough], shift + kept * local, width, min(len(x), len(y)))


def leaves(x: np.ndarray, least: int) -> Iterator[np.ndarray]:
    """Yield rows of neighbouring cells, at least so many: halves along the first component, as far as that goes."""
    stack = [np.arange(len(x))]
    while stack:
        rows = stack.pop()
        if len(rows) < 2 * least:
            yield rows
            continue
        z = x[rows] - x[rows].mean(axis=0)
        order = rows[np.argsort(z @ np.linalg.eigh(z.T @ z)[1][:, -1], kind="stable")]
        stack += [order[: len(rows) // 2], order[len(rows) // 2 :]]


def _pairs(x: np.ndarray, y: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean displacement of control cells that are optimally paired with treated ones once both are centred.

    Also how often each was drawn.
    """
    rng, n = np.random.default_rng([1, *path]), min(len(x), len(y), N_PAIRED)
    displaced, n_drawn = np.zeros(x.shape), np.zeros(len(x))
    for _ in range(N_DRAWS):
        i, j = rng.permutation(len(x))[:n], rng.permutation(len(y))[:n]
        squares = cdist(x[i] - x.mean(axis=0), y[j] - y.mean(axis=0), "sqeuclidean")
        ours, theirs = linear_sum_assignment(squares)
        displaced[i[ours]] += y[j[theirs]] - x[i[ours]]
        n_drawn[i[ours]] += 1
    return displaced / np.maximum(n_drawn, 1)[:, None], n_drawn


def _choice(
    problem: Problem,
    sides: Sequence[_Drawn],
    members: Mapping[Path, Member],
    names: Sequence[int],
    depth: int,
    stand_in: Callable[[Problem, int], TransportMap],
) -> tuple[Mixing, bool] | None:
    """Return the mixture that predicts contexts best that were left out, or ``None`` if the parent does."""
    n = int(np.clip(N_JUDGED // len(members), 25, 150))
    scores: dict[int, list[np.ndarray]] = {name: [] for name in names}
    for fold in range(min(N_FOLDS, len(names))):
        out = names[fold::N_FOLDS]
        judged = [path for path in members if path[-1] in out and _judges(sides, path)]
        outer = dict.fromkeys(path[:-1] for path in judged)
        inner = {
            path: pooled([m for of, m in members.items() if of[:-1] == path and of[-1] not in out]) for path in outer
        }
        if not judged:
            continue
        fitted = stand_in(_without(problem, sides, out, depth), depth)
        for path in judged:
            if len(inner[path[:-1]]) < 2:
                continue
            named = [problem.context_names[i][code] for i, code in enumerate(path[:-1])]
            clouds = [side.at(path, n) for side in sides]
            scores[path[-1]].append(_tried(inner[path[:-1]], fitted.at(*named), *clouds))
    values = np.array([np.mean(of, axis=0) for of in scores.values() if of])
    if len(values) < MIN_CONTEXTS:
        return None
    gains = values[:, :1] - values[:, 1:]
    best = int(gains.mean(axis=0).argmax())
    gain = gains[:, best]
    least = student.ppf(CONFIDENCE, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))
    return RULES[best] if gain.mean() > least else None


def _judges(sides: Sequence[_Drawn], path: Path) -> bool:
    return min(len(side.rows[path]) for side in sides) >= LEAST_JUDGED


def _without(problem: Problem, sides: Sequence[_Drawn], out: Sequence[int], depth: int) -> Problem:
    """Return a sample of a problem without some contexts."""
    given: dict[str, Any] = {}
    for name, side, (cells, _, weights) in zip(("source", "target"), sides, _clouds(problem), strict=True):
        most = max(N_JUDGED * 2 // len(side.rows), 100)
        rows = np.sort(np.concatenate([of[:most] for path, of in side.rows.items() if path[-1] not in out]))
        given |= {name: cells[rows], f"{name}_contexts": side.codes[rows]}
        given[f"{name}_weights"] = None if weights is None else weights[rows]
    return Problem(**given, context_names=list(map(list, problem.context_names[: depth + 1])))


def _tried(members: Sequence[Member], parent: TransportMap, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the energy distance of every candidate's prediction to treated cells, less what is the same for all."""
    whole = parent.transport(x) - x
    kept = [mixture(members, parent, PARENT, agreed).kept for agreed in (False, True)]

    def part(rule: Mixing) -> np.ndarray:
        return mixture(members, parent, rule, agreed=False).adapted(x).transport(x) - x

    shifts = {sharpness: part((0.0, 1.0, 0.0, sharpness, 0.0)) for sharpness in SHARPNESS}
    local = {(s, centred): part((0.0, 0.0, 1.0, s, centred)) for s in SHARPNESS for centred in (0.0, 1.0)}
    moved = [whole]
    for (of_parent, of_shift, of_local, sharpness, centred), agreed in RULES:
        beyond = of_shift * shifts[sharpness] + of_local * local[sharpness, centred]
        moved.append(of_parent * whole + kept[agreed] * beyond)
    return np.array([_distance(x + of, y) for of in moved])


def _distance(moved: np.ndarray, y: np.ndarray) -> float:
    return float(2 * cdist(moved, y).mean() - cdist(moved, moved).sum() / (len(moved) * (len(moved) - 1)))

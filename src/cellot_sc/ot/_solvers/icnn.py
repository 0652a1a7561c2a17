"""The default solver: an ensemble of convex networks that starts from the affine map between Gaussians."""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import jax
import numpy as np
import optax

from ... import _keys
from .._composition import MIN_VALID, as_one, within
from .._loop import checkpoints, criteria, lack_of_fit, objectives
from .._loop.batches import Ranges, sample, valid_weights
from .._loop.config import LoopConfig, LoopState, damped_update
from .._loop.pools import gathered
from .._loop.training import Trial, all_judged, train
from .._maps import networks
from .._maps.affine import AffineMap
from .._maps.base import TransportMap
from .._maps.chain import ChainMap
from .._maps.context import ContextMap
from .._maps.networks import Params
from .._maps.potential import PotentialMap
from .._moments import moments, rows_of, shares_of
from .._problem import History, Problem, Progress, Solution, tell
from .gaussian import cautious_gaussian_map
from .group_gaussian import group_gaussian_map
from .solver import Solver

logger = logging.getLogger("cellot_sc")

WHOLE = ""
"""What stands for the cells of all contexts, which no context is called."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ICNNConfig(LoopConfig):
    """Options of the solver ``"icnn"``, beside those of :class:`.LoopConfig`, of which ``learning_rate`` is the peak.

    Two convex potentials are trained by the expectile-regularised dual, with averaged parameters as the result.

    Parameters
    ----------
    width, depth
        Units per layer and layers of each network.
    penalties
        Weights of the expectile penalty, in units of one over the mean cost: a network is fitted with each, and
        validation cells choose: after two fifths of the steps those are given up that they tell from the best.
    min_steps
        Steps before which no map is taken.
    noise
        Standard deviation of the noise added to the cells of a batch, in units of the mean standard deviation of the
        source's dimensions: keeps small clouds from being learnt by heart.
    """

    width: int = 64
    depth: int = 2
    penalties: tuple[float, ...] = (1.0, 3.0, 10.0)
    min_steps: int = 400
    noise: float = 0.2
    learning_rate: float = 2e-2
    n_steps: int = 1000
    check_every: int = 100
    patience: int | None = 4

    memory: ClassVar[float] = 0.98
    """Share of the running average of the parameters that each step keeps."""
    trial: ClassVar[float] = 0.4
    """Share of the steps after which members are given up that validation cells tell from the best one."""

    @property
    def n_units(self) -> int:
        """Units of one of both networks."""
        return self.width * self.depth

    @property
    def network(self) -> networks.ICNN:
        """Architecture of both potentials."""
        return networks.ICNN(self.width, self.depth)

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam with a short warm-up, then a cosine; the short memory of squares follows losses that change fast."""
        rate = optax.warmup_cosine_decay_schedule(
            0.0, self.learning_rate, min(100, self.n_steps // 10), self.n_steps, self.learning_rate / 100
        )
        return optax.adam(rate, b2=0.9)

    def step(self, state: LoopState, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[LoopState, jax.Array]:
        """Return the state after one step on a batch, and the loss."""
        # both clouds, and both networks, as one array: half as much is compiled
        noise = state["noise"] * jax.random.normal(key, (2, *x.shape))

        def loss(pair: Params) -> jax.Array:
            return objectives.expectile(self.network, pair, x + noise[0], y + noise[1], state["weight"])

        value, slope = jax.value_and_grad(loss)(state["pair"])
        pair, optimizer = damped_update(self.optimizer, slope, state["optimizer"], state["pair"], state["damping"])
        average = jax.tree.map(lambda a, b: b[0] + self.memory * (a - b[0]), state["average"], pair)
        return {**state, "pair": pair, "average": average, "optimizer": optimizer}, value

    def params(self, state: LoopState) -> Params:
        """Return the averaged parameters of the forward potential."""
        return state["average"]

    def criterion(self, params: Params, ranges: Ranges) -> jax.Array:
        """Return the MMD between transported and observed validation cells, in the leading dimensions."""
        moved = networks.gradient(self.network, params, ranges.source_valid)
        return criteria.local_mmd(moved, ranges.target_valid, ranges.source_mask, ranges.target_mask, ranges.view)


def fit_icnn(problems: Sequence[Problem], config: ICNNConfig, seed: int, progress: Progress | None) -> list[Solution]:
    """Fit an ensemble of convex networks for every problem, or for each of its contexts beyond their affine maps.

    A context is a problem of its own then: networks lead from its cells, as the affine map has moved them, to its
    treated ones. Where nothing is left to be learnt, or its validation cells do not confirm it beyond noise, its map is
    the affine one. The map of cells without a context is fitted to all, as without contexts, weighed by composition: by
    a network, too, unless every context wants one of its own.
    """
    bases = [None if problem.source_contexts is None else group_gaussian_map(problem) for problem in problems]
    tasks: list[dict[str, Problem]] = [
        {WHOLE: as_one(problem), **within(problem, base, base.names)}
        if isinstance(base, ContextMap)
        else {WHOLE: problem}
        for problem, base in zip(problems, bases, strict=True)
    ]
    flat = [(i, name) for i, of in enumerate(tasks) for name in of]
    given, in_context = [tasks[i][name] for i, name in flat], [bool(name) for _, name in flat]
    # where all contexts have networks, few cells are left for a common one, which would cost as much as one of these
    common = {
        flat.index((i, WHOLE)): [flat.index((i, name)) for name in base.names]
        for i, base in enumerate(bases)
        if isinstance(base, ContextMap) and {*base.names} <= {*tasks[i]}
    }
    fits = dict(zip(flat, _fit_each(given, in_context, common, config, seed, progress), strict=True))
    return [
        fits[i, WHOLE] if base is None else _beyond(base, {name: fits[i, name] for name in tasks[i]})
        for i, base in enumerate(bases)
    ]


def _beyond(base: TransportMap, fits: Mapping[str, Solution]) -> Solution:
    """Return the maps of contexts, those with networks followed by them, and how the longest of their fits went."""
    assert isinstance(base, ContextMap)
    networks = {name: fit.map for name, fit in fits.items() if not isinstance(fit.map, AffineMap)}
    parent = networks.pop(WHOLE, base.parent)
    logger.info(
        "networks go beyond the affine map in %d of %d contexts; %d have fewer than %d validation cells to tell by",
        *(len(networks), len(base.names), len(base.names) - len(fits) + 1, MIN_VALID),
    )
    maps = [
        own.each(functools.partial(_followed, networks[name])) if name in networks else own
        for own, name in zip(base.maps, base.names, strict=True)
    ]
    histories = [fit.history for fit in fits.values()]
    whole = ContextMap(parent, maps, base.names, base.unseen, base.errors, base.spread)
    return Solution(whole, max(histories, key=lambda of: len(of.step)))


def _followed(network: TransportMap, own: TransportMap) -> TransportMap:
    return ChainMap([own, network])


def _fit_each(
    problems: Sequence[Problem],
    in_context: Sequence[bool],
    common: Mapping[int, Sequence[int]],
    config: ICNNConfig,
    seed: int,
    progress: Progress | None,
) -> list[Solution]:
    """Fit an ensemble of convex networks for every problem, all in one computation.

    The map is the average of those networks that validation cells prefer. It is the affine start where none beats it,
    and where the start already explains the train cells: a network could only learn noise there, and none is fitted.
    Within contexts, cells are where an affine map has moved them: there they stay, in place of the start. What several
    have in common, by their numbers, is not fitted where all of them want a network of their own.
    """
    tell(progress, "starting from the Gaussian map")
    train_clouds = [(p.source, p.target, p.source_weights, p.target_weights) for p in problems]
    starts = [cautious_gaussian_map(*cells) for cells in train_clouds]
    fits = [Solution(start, History(selected=0)) for start in starts]
    wanting = [
        i
        for i, (start, cells) in enumerate(zip(starts, train_clouds, strict=True))
        if not lack_of_fit.explains(start, *cells)
    ]
    wanting = [i for i in wanting if i not in common or not {*common[i]} <= {*wanting}]
    if wanting:
        hard, affine, held = (
            [problems[i] for i in wanting],
            [starts[i] for i in wanting],
            [in_context[i] for i in wanting],
        )
        for i, fit in zip(wanting, _fit_networks(hard, affine, held, config, seed, progress), strict=True):
            fits[i] = fit
    if len(wanting) < len(problems):
        logger.info(
            "the affine start explains the cells of %d of %d problems: no network is fitted there",
            len(problems) - len(wanting), len(problems),
        )  # fmt: skip
    return fits


def _fit_networks(
    problems: Sequence[Problem],
    starts: Sequence[AffineMap],
    in_context: Sequence[bool],
    config: ICNNConfig,
    seed: int,
    progress: Progress | None,
) -> list[Solution]:
    # these are numbers of the state: with others, no code is compiled anew
    method = dataclasses.replace(config, penalties=(1.0,), noise=0.0)
    clouds = gathered(problems, [(start.source_mean, start.target_mean) for start in starts], seed, config)
    state = _start(method, config, problems, starts, seed)
    views = zip(*map(np.asarray, clouds.ranges.view), strict=True)
    judges = [_Judge.of(problem, criteria.View(*view), seed) for problem, view in zip(problems, views, strict=True)]

    def passes(params: Params) -> np.ndarray:
        maps = _members(config, starts, params)
        kept = np.array([judge.equal_to_best(of) for judge, of in zip(judges, maps, strict=True)])
        # numbers that are finite can have maps that are not
        return kept | ~kept.any(1, keepdims=True)

    trained = train(
        method,
        state,
        clouds,
        seed=seed,
        # without validation cells nothing can be chosen by: the last step is taken
        min_steps=min(config.min_steps, config.n_steps) if all_judged(problems) else config.n_steps,
        progress=progress,
        checkpoint=checkpoints.fit_checkpoint(config, problems, seed),
        trial=Trial(math.ceil(config.trial * config.n_steps), passes),
    )
    tell(progress, "choosing networks")
    members = _members(config, starts, trained.params)
    fits = []
    for i, (start, judge, stays) in enumerate(zip(starts, judges, in_context, strict=True)):
        finite = [member for member, value in zip(members[i], trained.criterion[i], strict=True) if np.isfinite(value)]
        begin = AffineMap(np.eye(start.n_dims), *np.zeros((2, start.n_dims))) if stays else start
        history = trained.histories[i]
        to_beat = judge.score(begin) if judge.can_tell else None
        if to_beat is not None:
            history.metrics[_keys.START] = [to_beat.value] * len(history.step)
        fits.append(Solution(_choose(begin, finite, judge, to_beat, stays=stays), history))
    return fits


def _members(config: ICNNConfig, starts: Sequence[AffineMap], params: Params) -> list[list[PotentialMap]]:
    """Return the map of every member, for every problem."""
    params = jax.tree.map(np.asarray, params)
    return [
        [
            PotentialMap(
                "ICNN",
                {"width": config.width, "depth": config.depth},
                {name: value[i, [k]] for name, value in params.items()},
                start.source_mean,
                start.target_mean,
            )
            for k in range(len(config.penalties))
        ]
        for i, start in enumerate(starts)
    ]


def _start(
    method: ICNNConfig, config: ICNNConfig, problems: Sequence[Problem], starts: Sequence[AffineMap], seed: int
) -> LoopState:
    """Return every member's random networks, of which the quadratic parts are the start of its problem and its inverse.

    The random numbers are those of the member, so that a problem is fitted alike alone and with others.
    """
    matrices = np.stack([start.matrix.astype(np.float64) for start in starts])
    roots = np.linalg.cholesky(np.stack([matrices, np.linalg.inv(matrices)])).astype(np.float32)
    spreads = [moments(problem.source, problem.source_weights).covariance for problem in problems]
    scales = [np.sqrt(np.trace(spread) / problem.n_dims) for spread, problem in zip(spreads, problems, strict=True)]
    costs = [_mean_cost(problem, start, seed) for problem, start in zip(problems, starts, strict=True)]
    columns = (np.array(values, dtype=np.float32) for values in (scales, costs, config.penalties))
    n_dims, n_fits = problems[0].n_dims, len(problems) * len(config.penalties)
    shapes = networks.shapes(method.network, n_dims)
    one = {name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in shapes.items()}
    # a pair of networks, what is remembered of both slopes and of their squares, and an average
    config.check_room(one, 7 * n_fits, n_fits, n_dims)
    return jax.device_put(_states(method, seed, roots, config.noise, *columns))


def _states(
    method: ICNNConfig,
    seed: int,
    roots: np.ndarray,
    noise: float,
    scales: np.ndarray,
    costs: np.ndarray,
    penalties: np.ndarray,
) -> LoopState:
    # with numpy, as jax would compile for seconds what is computed once
    n_problems, n_members, n_dims = len(scales), len(penalties), roots.shape[-1]

    def all_of(leaf: np.ndarray) -> np.ndarray:
        return np.broadcast_to(leaf, (n_problems, n_members, *leaf.shape[2:]))

    streams = [[[seed, member, side] for side in range(2)] for member in range(n_members)]
    random = [[method.network.random(np.random.default_rng(key), n_dims) for key in keys] for keys in streams]
    pair = {
        name: all_of(np.array([[network[name] for network in member] for member in random])[None])
        for name in random[0][0]
    }
    pair |= {"root": all_of(roots.swapaxes(0, 1)[:, None]), "scale": np.tile(scales[:, None, None], (1, n_members, 2))}
    # at the start, an optimizer remembers nothing: zeros, whatever it is
    memory = jax.eval_shape(method.optimizer.init, {name: leaf[0, 0] for name, leaf in pair.items()})
    return {
        "pair": pair,
        "average": {name: leaf[:, :, 0] for name, leaf in pair.items()},
        "optimizer": jax.tree.map(lambda leaf: np.zeros((n_problems, n_members, *leaf.shape), leaf.dtype), memory),
        "damping": np.ones((n_problems, n_members), dtype=np.float32),
        "weight": penalties / costs[:, None],
        "noise": all_of(np.float32(noise) * scales[:, None]),
    }


def _mean_cost(problem: Problem, start: AffineMap, seed: int) -> float:
    """Return the mean of 1/2 |x - y|^2 over random pairs of centred cells."""
    rng = np.random.default_rng(seed)
    x = rows_of(problem.source, _drawn(len(problem.source), problem.source_weights, rng)) - start.source_mean
    y = rows_of(problem.target, _drawn(len(problem.target), problem.target_weights, rng)) - start.target_mean
    return float(0.5 * ((x - y) ** 2).sum(1).mean()) or 1.0


def _drawn(n_cells: int, weights: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(n_cells, size=2000) if weights is None else rng.choice(n_cells, 2000, p=shares_of(weights))


class _Judge(NamedTuple):
    """The validation cells of a problem, by which its maps are compared."""

    x: np.ndarray
    y: np.ndarray
    view: criteria.View
    weights: criteria.Weights = (None, None)

    @classmethod
    def of(cls, problem: Problem, view: criteria.View, seed: int) -> _Judge:
        valid = (sample(problem.source_valid, seed), sample(problem.target_valid, seed))
        return cls(*valid, view, valid_weights(problem, seed))

    @property
    def can_tell(self) -> bool:
        """Whether there are pairs of cells to compare."""
        return min(len(self.x), len(self.y)) >= 2

    def score(self, member: TransportMap) -> criteria.Discrepancy:
        """Return how far a map leaves the source from the target, in the leading dimensions."""
        return criteria.local_score(member.transport(self.x), self.y, self.view, self.weights)

    def equal_to_best(self, members: Sequence[TransportMap]) -> list[bool]:
        """Return which maps cannot be told from the best, by a standard error of the difference."""
        if not self.can_tell:
            return [True] * len(members)
        scores = [self.score(member) for member in members]
        best = min(scores, key=lambda score: score.value)
        return [score.value - best.value <= criteria.standard_error(score, best) for score in scores]


def _choose(
    start: AffineMap,
    members: Sequence[PotentialMap],
    judge: _Judge,
    before: criteria.Discrepancy | None,
    *,
    stays: bool,
) -> TransportMap:
    """Return the average of the networks that validation cells cannot tell from the best one, or the affine start.

    The start is kept where the average does not beat it on the validation cells in the leading dimensions, or loses to
    it in all of them by more than two standard errors of the difference. If cells stay where they are at the start,
    that has to be beaten by a standard error of the difference: few cells have to tell then what many others did not.
    """
    if not members:
        return start
    chosen = [member for member, keep in zip(members, judge.equal_to_best(members), strict=True) if keep]
    if before is not None:
        x, y, view, weights = judge
        moved = [np.mean([member.transport(x) for member in chosen], axis=0), start.transport(x)]
        after = criteria.local_score(moved[0], y, view, weights)
        if before.value - after.value <= stays * criteria.standard_error(after, before):
            return start
        after, before = (criteria.energy_score(cells, y, weights) for cells in moved)
        if after.value - before.value > 2 * criteria.standard_error(after, before):
            return start
    first = members[0]
    params = {name: np.concatenate([member.params[name] for member in chosen]) for name in first.params}
    return PotentialMap(first.network, first.options, params, first.source_mean, first.target_mean)


SOLVER = Solver(
    "icnn",
    "ensemble of convex networks, from a Gaussian start, by the dual",
    ICNNConfig,
    fit_icnn,
    label="neural map (icnn)",
    cites=("makkuva2020", "buzun2024"),
    weighs=True,
    contexts=True,
    affine="affine",
    streams=True,
)

"""The one compiled training loop of every neural solver.

Problems and ensemble members are trained side by side: the state has leading axes ``(n_problems, n_members)``, and one
call advances all of them by as many steps as lie between two looks at the validation cells.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._maps.base import TransportMap
from .._maps.networks import Params
from .._problem import History, Problem, Progress, Solution, tell
from . import devices
from .batches import Clouds, Ranges, draw
from .checkpoints import Checkpoint, fit_checkpoint
from .config import LoopConfig, LoopState, SingleConfig
from .pools import Pools, gathered

logger = logging.getLogger("cellot_sc")


class _Run(NamedTuple):
    """How far a training is: its state, and the best parameters of every problem and member so far."""

    state: LoopState
    best: Params
    criterion: np.ndarray
    """Of the best parameters, shape ``(n_problems, n_members)``."""
    best_step: np.ndarray
    """The look that was last an improvement, shape ``(n_problems,)``."""
    kept: np.ndarray
    """Which members are trained on, shape ``(n_problems, n_members)``."""


class Trial(NamedTuple):
    """When members are given up, and which."""

    n_steps: int
    """Steps that all make: the next look is the trial."""
    passes: Callable[[Params], np.ndarray]
    """Which are trained on, shape ``(n_problems, n_members)``, given the parameters of all."""


class Trained(NamedTuple):
    """The best parameters of every problem and member, their criterion, and how it went."""

    params: Params
    criterion: np.ndarray
    histories: list[History]


def _advance(
    config: LoopConfig,
    state: LoopState,
    clouds: Clouds,
    seed: Any,
    done: Any,
    n_steps: Any,
    streams: np.ndarray | None = None,
) -> tuple[LoopState, jax.Array]:
    """Advance every problem and member by ``n_steps``; return the states and their mean losses.

    The streams of random numbers are those of the members, unless there are others, of shape
    ``(n_problems, n_members)``.
    """
    return _advance_on(devices.used()[0].platform)(config, state, clouds, seed, done, n_steps, streams)


@functools.cache
def _advance_on(platform: str) -> Callable[..., tuple[LoopState, jax.Array]]:
    # a third less time of compilation, for steps that are as fast: most of it is in libraries of products
    options = {"xla_backend_optimization_level": 1} if platform == "cpu" else None
    return jax.jit(_steps, static_argnames="config", compiler_options=options)


def _steps(
    config: LoopConfig,
    state: LoopState,
    clouds: Clouds,
    seed: jax.Array,
    done: jax.Array,
    n_steps: jax.Array,
    streams: jax.Array | None,
) -> tuple[LoopState, jax.Array]:

    def member(state: LoopState, clouds: Clouds, index: jax.Array) -> tuple[LoopState, jax.Array]:
        # the stream of random numbers is that of the member, not of the problem: it is fitted alike beside any others
        stream = jax.random.fold_in(jax.random.key(seed), index)

        def body(step: jax.Array, carry: tuple[LoopState, jax.Array]) -> tuple[LoopState, jax.Array]:
            state, total = carry
            batch_key, step_key = jax.random.split(jax.random.fold_in(stream, step))
            state, loss = config.step(state, *draw(batch_key, clouds, config.n_drawn), step_key)
            return state, total + loss

        # their number is no part of what is compiled: the last few are not compiled anew
        state, total = jax.lax.fori_loop(done, done + n_steps, body, (state, jnp.float32(0)))
        return state, total / n_steps

    if jax.tree.leaves(state)[0].shape[:2] == (1, 1):
        # products with batch axes are slower, even where these are 1
        alone = clouds._replace(ranges=jax.tree.map(lambda leaf: leaf[0], clouds.ranges))
        stream = jnp.int32(0) if streams is None else streams[0, 0]
        out = member(jax.tree.map(lambda leaf: leaf[0, 0], state), alone, stream)
        return jax.tree.map(lambda leaf: leaf[None, None], out)
    members = jnp.arange(jax.tree.leaves(state)[0].shape[1]) if streams is None else streams
    per_member = jax.vmap(member, in_axes=(0, None, 0))
    axes = Clouds(None, 0)  # type: ignore[arg-type]
    return jax.vmap(per_member, in_axes=(0, axes, None if streams is None else 0))(state, clouds, members)


@jax.jit
def _choose(mask: jax.Array, new: LoopState, old: LoopState) -> LoopState:
    """Take ``new`` where the mask, of shape ``(n_problems, n_members)``, is true."""
    return jax.tree.map(lambda a, b: jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - 2)), a, b), new, old)


@jax.jit
def _finite(state: LoopState) -> jax.Array:
    """Return whether every number of a state is finite, shape ``(n_problems, n_members)``."""
    leaves = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    # as one array: a reduction of each leaf would be compiled on its own
    return jnp.isfinite(jnp.concatenate([leaf.reshape(*leaf.shape[:2], -1) for leaf in leaves], axis=2)).all(axis=2)


@partial(jax.jit, static_argnames="config")
def _look(config: LoopConfig, state: LoopState, ranges: Ranges) -> jax.Array:
    """Return the criterion of every problem and member."""

    def member(state: LoopState, ranges: Ranges) -> jax.Array:
        return config.criterion(config.params(state), ranges)

    return jax.vmap(jax.vmap(member, in_axes=(0, None)))(state, ranges)


def _parts(on: np.ndarray) -> list[np.ndarray]:
    """Return the problems and members that are on, shape ``(n, 2)``, as parts that are trained one after another.

    On a CPU each is a part: products with batch axes gain nothing there, and any numbers of problems and members share
    the code that is compiled for one. Elsewhere all are one part, filled up to a power of 2 by repeating the last. Of
    several devices, each has as many at a time.
    """
    pairs, used = np.argwhere(on), devices.used()
    share = 1 if used[0].platform == "cpu" else 2 ** (-(-len(pairs) // len(used)) - 1).bit_length()
    size = share * len(used)
    filled = np.pad(pairs, ((0, -len(pairs) % size), (0, 0)), mode="edge")
    return list(filled.reshape(-1, size, 2))


def _advance_kept(
    config: LoopConfig, state: LoopState, clouds: Clouds, seed: Any, done: Any, n_steps: Any, on: np.ndarray
) -> tuple[LoopState, np.ndarray]:
    """Advance only those problems and members that are on; the loss of the others is NaN."""

    def advance(state: LoopState, ranges: Ranges, streams: Any, *whole: Any) -> tuple[LoopState, jax.Array]:
        cells, alias = whole
        return _advance(config, state, Clouds(cells, ranges, alias), seed, done, n_steps, streams)

    whole = clouds.cells, clouds.alias
    state = jax.tree.map(np.array, state)
    losses = np.full(on.shape, np.nan, dtype=np.float32)
    parts = _parts(on)
    # as many are computed at once as there are cores: none is waited for before all are under way
    results = [
        devices.dealt(advance, (_of(state, part), _ranges(clouds.ranges, part), part[:, 1:].astype(np.int32)), whole)
        for part in parts
    ]
    for (rows, columns), (advanced, loss) in zip((part.T for part in parts), results, strict=True):
        losses[rows, columns] = np.asarray(loss)[:, 0]
        for leaf, new in zip(jax.tree.leaves(state), jax.tree.leaves(advanced), strict=True):
            leaf[rows, columns] = np.asarray(new)[:, 0]
    return state, losses


def _look_at_kept(config: LoopConfig, state: LoopState, ranges: Ranges, on: np.ndarray) -> np.ndarray:
    """Return the criterion of those problems and members that are on; that of the others is inf."""
    criterion = np.full(on.shape, np.inf, dtype=np.float32)
    state = jax.tree.map(np.asarray, state)
    parts = _parts(on)
    values = [devices.dealt(partial(_look, config), (_of(state, part), _ranges(ranges, part)), ()) for part in parts]
    for (rows, columns), value in zip((part.T for part in parts), values, strict=True):
        criterion[rows, columns] = np.asarray(value)[:, 0]
    return criterion


def _look_at_all(config: LoopConfig, state: LoopState, ranges: Any, on: np.ndarray) -> np.ndarray:
    return np.asarray(_look(config, state, ranges))


def _of(state: LoopState, part: np.ndarray) -> LoopState:
    rows, columns = part.T
    return jax.tree.map(lambda leaf: leaf[rows, columns][:, None], state)


def _ranges(ranges: Ranges, part: np.ndarray) -> Ranges:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[part[:, 0]], ranges)


def train(
    config: LoopConfig,
    state: LoopState,
    clouds: Any,
    *,
    seed: int,
    min_steps: int,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
    advance: Callable[..., tuple[LoopState, jax.Array]] = _advance,
    trial: Trial | None = None,
) -> Trained:
    """Train until the last step, or until no problem has improved on its validation cells for ``patience`` looks.

    A member whose loss or parameters stop being finite is set back to its last good state, with steps half as long. An
    interrupt (Ctrl-C) ends the training with the best state so far.

    Parameters
    ----------
    config
        What to train.
    state
        Where it starts, with leading axes ``(n_problems, n_members)`` and a leaf ``damping`` that scales its steps.
    clouds
        The cells: :class:`.Clouds`, :class:`.Pools` of those that are not in memory, or what ``advance`` draws from,
        with the ``ranges`` that the criterion judges by.
    seed
        Seed of the batches.
    min_steps
        Steps before which no map is taken.
    progress
        Called after every look, and told when code is compiled.
    checkpoint
        Where the state is kept, and maybe resumed from; see :meth:`.Checkpoint.save` and ``load`` for what they raise.
    advance
        What makes a few steps of all problems and members: the one for cells that lie in memory.
    trial
        When members are given up. With it, steps are made only for problems that still improve, and by the members that
        are left; ``clouds`` lie in memory. The criterion of those that are given up is inf.
    """
    start = time.perf_counter()
    tell(progress, "compiling")
    n_problems = len(state["damping"])
    kept = np.ones(state["damping"].shape, dtype=bool)
    several = len(devices.used()) > 1
    in_parts = trial is not None or (several and advance is _advance and kept.size > 1)
    # once for all parts
    placed = devices.everywhere if several and in_parts else lambda cells: cells
    if not isinstance(clouds, Pools):
        clouds = placed(clouds)
    criterion = (_look_at_kept if in_parts else _look_at_all)(config, state, clouds.ranges, kept)
    histories = [History() for _ in range(n_problems)]
    run = _Run(state, config.params(state), criterion, np.zeros(n_problems, dtype=np.int64), kept)
    done = 0
    before = 0.0
    interrupted = False
    if checkpoint is not None and (found := checkpoint.load(run, config.n_steps, n_problems)) is not None:
        run, record = found
        if not all(_finite(part).all() for part in (run.state, run.best)):
            raise ValueError(f"{str(checkpoint.path)!r} holds NaN or inf: remove it, or choose another checkpoint_dir.")
        done, before, histories = record.done, record.seconds, record.histories
    else:
        _record(histories, 0, 0.0, np.full(criterion.shape, np.nan), criterion, kept)
    patience = np.inf if config.patience is None else config.patience * config.check_every
    try:
        while done < config.n_steps:
            active = done - np.maximum(run.best_step, min_steps) < patience
            if not active.any():
                break
            n_steps = min(config.check_every, config.n_steps - done)
            cells = clouds.at(done) if isinstance(clouds, Pools) else clouds
            given = (config, run.state, placed(cells), np.uint32(seed), np.int32(done), np.int32(n_steps))
            on = run.kept & active[:, None] if in_parts else run.kept
            new, losses = _advance_kept(*given, on) if in_parts else advance(*given)
            losses = np.asarray(losses)
            good = np.asarray(_finite(new)) & np.isfinite(losses) | ~on
            if not good.all():
                logger.warning(
                    "%d of %d fits diverged before step %d: set back, with steps half as long",
                    int((~good).sum()), int(on.sum()), done + n_steps,
                )  # fmt: skip
                new = _choose(good, new, {**run.state, "damping": run.state["damping"] / 2})
            criterion = (_look_at_kept if in_parts else _look_at_all)(config, new, clouds.ranges, on)
            criterion = np.where(good & np.isfinite(criterion), criterion, np.inf)
            on_trial = trial is not None and done < trial.n_steps <= done + n_steps
            done += n_steps
            # nothing from before the first steps were made ever competes
            held = run.criterion if done > min_steps else np.full_like(criterion, np.inf)
            better = (criterion < held) & active[:, None]
            kept = trial.passes(config.params(new)) if trial is not None and on_trial else run.kept
            run = _Run(
                new,
                _choose(jnp.asarray(better), config.params(new), run.best),
                np.where(kept, np.where(better, criterion, held), np.inf),
                np.where(active & (criterion.min(1) < held.min(1)), done, run.best_step),
                kept,
            )
            seconds = before + time.perf_counter() - start
            looked_at = [history for history, a in zip(histories, active, strict=True) if a]
            _record(looked_at, done, seconds, losses[active], criterion[active], on[active])
            if checkpoint is not None:
                checkpoint.save(run, {"done": done, "seconds": seconds, "histories": [vars(h) for h in histories]})
            if progress is not None:
                progress(done, config.n_steps, {"validation": float(run.criterion.min(1).mean())})
    except KeyboardInterrupt:
        interrupted = True
        logger.warning("interrupted after step %d: the best maps so far are kept", done)
    histories = [
        History(h.step, h.seconds, h.metrics, selected=int(step), interrupted=interrupted)
        for h, step in zip(histories, run.best_step, strict=True)
    ]
    return Trained(run.best, run.criterion, histories)


def _record(
    histories: Sequence[History], step: int, seconds: float, losses: np.ndarray, criterion: np.ndarray, on: np.ndarray
) -> None:
    for history, loss, value, of in zip(histories, losses, criterion, on, strict=True):
        history.add(step, seconds, loss=float(loss[of].mean()), validation=float(value.min()))


def train_each(
    config: SingleConfig, problems: Sequence[Problem], seed: int, progress: Progress | None
) -> list[tuple[Params, History]]:
    """Train a network for every problem, all in one computation; return the best parameters of each as arrays.

    Without validation cells, those of the last step.
    """
    n_dims = problems[0].n_dims
    start, key = jax.jit(config.start, static_argnums=1), jax.random.key(seed)
    config.check_room(start.eval_shape(key, n_dims), len(problems), len(problems), n_dims)
    zero = np.zeros(n_dims, dtype=np.float32)
    clouds = gathered(problems, [(zero, zero)] * len(problems), seed, config)
    one = start(key, n_dims)
    state = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(problems), 1, *leaf.shape)), one)
    trained = train(
        config,
        state,
        clouds,
        seed=seed,
        min_steps=min(config.check_every, config.n_steps) if all_judged(problems) else config.n_steps,
        progress=progress,
        checkpoint=fit_checkpoint(config, problems, seed),
    )
    params = jax.tree.map(np.asarray, trained.params)
    return [
        (jax.tree.map(lambda leaf, i=i: leaf[i, 0], params), history) for i, history in enumerate(trained.histories)
    ]


def all_judged(problems: Sequence[Problem]) -> bool:
    """Return whether every problem has validation cells to choose by."""
    return all(min(len(problem.source_valid), len(problem.target_valid)) > 0 for problem in problems)


def fit_each(
    config: SingleConfig,
    problems: Sequence[Problem],
    seed: int,
    progress: Progress | None,
    build: Callable[[Params], TransportMap],
) -> list[Solution]:
    """Train a network for every problem, and build a map of the best parameters of each."""
    return [Solution(build(params), history) for params, history in train_each(config, problems, seed, progress)]

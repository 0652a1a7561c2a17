"""The one compiled training loop of every neural solver.

Problems and ensemble members are trained side by side: the state has leading axes ``(n_problems, n_members)``, and one
call advances all of them by as many steps as lie between two looks at the validation cells.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from .._problem import History, Progress
from .batches import Clouds, draw
from .checkpoints import Checkpoint

logger = logging.getLogger("cellot_sc")

type State = Any
type Params = Any


class Method(Protocol):
    """What differs between neural solvers. A frozen dataclass, so that equal options share compiled code."""

    @property
    def batch_size(self) -> int:
        """Cells per cloud and step."""

    @property
    def n_steps(self) -> int:
        """Steps at most."""

    @property
    def check_every(self) -> int:
        """Steps between two looks at the validation cells."""

    @property
    def patience(self) -> int:
        """Looks without improvement after which the training ends."""

    @property
    def min_steps(self) -> int:
        """Steps before which no map is taken."""

    def step(self, state: State, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[State, jax.Array]:
        """Return the state after one step on a batch, and the loss."""

    def params(self, state: State) -> Params:
        """Return what the map is made from."""

    def criterion(self, params: Params, clouds: Clouds) -> jax.Array:
        """Return how far the transported validation cells are from the observed ones."""


class Trained(NamedTuple):
    """The best parameters of every problem and member, their criterion, and how it went."""

    params: Params
    criterion: np.ndarray
    histories: list[History]


@partial(jax.jit, static_argnames=("method", "n_steps"))
def _advance(
    method: Method, state: State, clouds: Clouds, seed: jax.Array, done: jax.Array, n_steps: int
) -> tuple[State, jax.Array]:
    """Advance every problem and member by ``n_steps``; return the states and their mean losses."""

    def member(state: State, clouds: Clouds, index: jax.Array) -> tuple[State, jax.Array]:
        # the stream of random numbers is that of the member, not of the problem: it is fitted alike beside any others
        stream = jax.random.fold_in(jax.random.key(seed), index)

        def body(state: State, step: jax.Array) -> tuple[State, jax.Array]:
            batch_key, step_key = jax.random.split(jax.random.fold_in(stream, step))
            return method.step(state, *draw(batch_key, clouds, method.batch_size), step_key)

        state, losses = jax.lax.scan(body, state, done + jnp.arange(n_steps))
        return state, losses.mean()

    if jax.tree.leaves(state)[0].shape[:2] == (1, 1):
        # products with batch axes are slower, even where these are 1
        alone = clouds._replace(ranges=jax.tree.map(lambda leaf: leaf[0], clouds.ranges))
        out = member(jax.tree.map(lambda leaf: leaf[0, 0], state), alone, jnp.int32(0))
        return jax.tree.map(lambda leaf: leaf[None, None], out)
    members = jnp.arange(jax.tree.leaves(state)[0].shape[1])
    per_member = jax.vmap(member, in_axes=(0, None, 0))
    axes = Clouds(None, None, 0)  # type: ignore[arg-type]
    return jax.vmap(per_member, in_axes=(0, axes, None))(state, clouds, members)


@jax.jit
def _choose(mask: jax.Array, new: State, old: State) -> State:
    """Take ``new`` where the mask, of shape ``(n_problems, n_members)``, is true."""
    return jax.tree.map(lambda a, b: jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - 2)), a, b), new, old)


@jax.jit
def _finite(state: State) -> jax.Array:
    """Return whether every number of a state is finite, shape ``(n_problems, n_members)``."""
    leaves = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return jnp.stack([jnp.isfinite(leaf).all(axis=tuple(range(2, leaf.ndim))) for leaf in leaves]).all(axis=0)


@partial(jax.jit, static_argnames="method")
def _look(method: Method, state: State, clouds: Clouds) -> jax.Array:
    """Return the criterion of every problem and member."""

    def member(state: State, clouds: Clouds) -> jax.Array:
        return method.criterion(method.params(state), clouds)

    axes = Clouds(None, None, 0)  # type: ignore[arg-type]
    return jax.vmap(jax.vmap(member, in_axes=(0, None)), in_axes=(0, axes))(state, clouds)


def train(
    method: Method,
    state: State,
    clouds: Clouds,
    *,
    seed: int,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Trained:
    """Train until the last step, or until no problem has improved on its validation cells for ``patience`` looks.

    A member whose loss or parameters stop being finite is set back to its last good state, with steps half as long. An
    interrupt (Ctrl-C) ends the training with the best state so far.

    Parameters
    ----------
    method
        What to train.
    state
        Where it starts, with leading axes ``(n_problems, n_members)`` and a leaf ``damping`` that scales its steps.
    clouds
        The cells.
    seed
        Seed of the batches.
    progress
        Called after every look.
    checkpoint
        Where the state is kept, and maybe resumed from.
    """
    start = time.perf_counter()
    criterion = np.asarray(_look(method, state, clouds))
    n_problems = len(criterion)
    histories = [History(metrics={"loss": [], "validation": []}) for _ in range(n_problems)]
    run = {
        "state": state,
        "best": method.params(state),
        "criterion": criterion,
        "best_step": np.zeros(n_problems, dtype=np.int64),
    }
    done = 0
    before = 0.0
    if checkpoint is not None and (found := checkpoint.load(run)) is not None:
        run, record = found
        done, before, histories = record["done"], record["seconds"], [History(**h) for h in record["histories"]]
    else:
        _record(histories, 0, 0.0, np.full(criterion.shape, np.nan), criterion)
    try:
        while done < method.n_steps:
            waited = done - np.maximum(run["best_step"], method.min_steps)
            active = waited < method.patience * method.check_every
            if not active.any():
                break
            n_steps = min(method.check_every, method.n_steps - done)
            new, losses = _advance(method, run["state"], clouds, np.uint32(seed), np.int32(done), n_steps)
            good = _finite(new) & jnp.isfinite(losses)
            if not good.all():
                logger.warning(
                    "%d of %d fits diverged before step %d: set back, with steps half as long",
                    int((~good).sum()), good.size, done + n_steps,
                )  # fmt: skip
                new = _choose(good, new, {**run["state"], "damping": run["state"]["damping"] / 2})
            criterion = np.asarray(_look(method, new, clouds))
            criterion = np.where(good & np.isfinite(criterion), criterion, np.inf)
            done += n_steps
            # what was found before the first steps were made never competes
            held = run["criterion"] if done > method.min_steps else np.full_like(criterion, np.inf)
            better = (criterion < held) & active[:, None]
            run = {
                "state": new,
                "best": _choose(jnp.asarray(better), method.params(new), run["best"]),
                "criterion": np.where(better, criterion, held),
                "best_step": np.where(active & (criterion.min(1) < held.min(1)), done, run["best_step"]),
            }
            seconds = before + time.perf_counter() - start
            looked_at = [history for history, a in zip(histories, active, strict=True) if a]
            _record(looked_at, done, seconds, losses[active], criterion[active])
            if checkpoint is not None:
                checkpoint.save(run, {"done": done, "seconds": seconds, "histories": [vars(h) for h in histories]})
            if progress is not None:
                progress(done, method.n_steps, {"validation": float(run["criterion"].min(1).mean())})
    except KeyboardInterrupt:
        logger.warning("interrupted after step %d: the best maps so far are kept", done)
    histories = [
        History(h.step, h.seconds, h.metrics, selected=int(step))
        for h, step in zip(histories, run["best_step"], strict=True)
    ]
    return Trained(run["best"], run["criterion"], histories)


def _record(histories: Sequence[History], step: int, seconds: float, losses: Any, criterion: Any) -> None:
    for history, loss, value in zip(histories, np.asarray(losses), np.asarray(criterion), strict=True):
        history.step.append(step)
        history.seconds.append(seconds)
        history.metrics["loss"].append(float(loss.mean()))
        history.metrics["validation"].append(float(value.min()))

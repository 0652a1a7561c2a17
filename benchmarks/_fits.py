"""Fits by name, with options from the command line, and the peer that is driven by ott's own loop."""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import itertools
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import jax
import numpy as np
from ott.neural.methods.neuraldual import W2NeuralDual

from cellot_sc import ot

type Options = dict[str, dict[str, Any]]

STOCK = "ott_stock"
"""ott's W2NeuralDual with its defaults."""
STOCK_PLAIN = "ott_stock_plain"
"""The same without the solver of the conjugate, which takes nearly all of its time."""
STOCK_BATCH = 256


class Transport(Protocol):
    """All that is asked of a fitted map."""

    def transport(self, x: np.ndarray) -> np.ndarray:
        """Return the treated state of every cell."""


def add_option(parser: argparse.ArgumentParser) -> None:
    """Let the command line set options of solvers."""
    parser.add_argument(
        "--option",
        nargs="+",
        default=[],
        metavar="SOLVER.NAME=VALUE",
        help="options of solvers, such as paper.n_steps=2000",
    )


def options(given: Sequence[str]) -> Options:
    """Return the options of every solver.

    Raises
    ------
    ValueError
        If one is not of the form ``solver.name=value``.
    """
    parsed: Options = {}
    for text in given:
        left, _, value = text.partition("=")
        solver, _, name = left.partition(".")
        if not name or not value:
            msg = f"option {text!r} is not of the form solver.name=value."
            raise ValueError(msg)
        parsed.setdefault(solver, {})[name] = ast.literal_eval(value)
    return parsed


class Deadline:
    """A progress meter that ends the fit of each problem when its share of the seconds is over."""

    def __init__(self, seconds: float, n_problems: int, n_steps: int) -> None:
        self._start, self._share, self._n_steps = time.perf_counter(), seconds / n_problems, n_steps
        self.made: dict[int, int] = {}

    def __call__(self, done: int, total: int, metrics: dict[str, float]) -> None:
        """Count a step, and interrupt if it was the last for which there is time."""
        problem, step = divmod(done - 1, self._n_steps)
        self.made[problem] = step + 1
        if time.perf_counter() - self._start > self._share * (problem + 1):
            raise KeyboardInterrupt


def within(
    problems: Sequence[ot.Problem], solver: str, seed: int, seconds: float, **kwargs: Any
) -> tuple[Sequence[Transport], float, str]:
    """Return the maps that a slow solver has after so many seconds, the seconds, and the steps made."""
    n_steps = kwargs.get("n_steps", ot.SOLVERS[solver].config().n_steps)
    deadline = Deadline(seconds, len(problems), n_steps)
    maps, spent = timed(problems, solver, seed, progress=deadline, **kwargs)
    return maps, spent, f"{solver} made {', '.join(map(str, deadline.made.values()))} steps of {n_steps:,}"


def timed(problems: Sequence[ot.Problem], solver: str, seed: int, **kwargs: Any) -> tuple[Sequence[Transport], float]:
    """Return the maps, and the seconds it took to fit them all in one call, compilation included."""
    jax.clear_caches()
    start = time.perf_counter()
    return fit(problems, solver, seed, **kwargs), time.perf_counter() - start


def fit(problems: Sequence[ot.Problem], solver: str, seed: int, **kwargs: Any) -> Sequence[Transport]:
    """Return the maps of a solver of this package, or of ott's loop."""
    if solver in (STOCK, STOCK_PLAIN):
        return [stock(problem, seed, plain=solver == STOCK_PLAIN, **kwargs) for problem in problems]
    return [fitted.map for fitted in ot.fit(problems, solver, seed=seed, **kwargs)]


class StockMap:
    """The map of ott's potential.

    Its gradient, not the ``transport`` of the ``DualPotentials`` that ott-jax 0.6.0 returns: these pair a potential of
    the cost 1/2 |x - y|^2 with the cost |x - y|^2, and move every cell half the way.
    """

    def __init__(self, dual: W2NeuralDual) -> None:
        self._params = dual.state_f.params
        self._gradient = jax.jit(lambda params, x: dual.state_f.potential_gradient_fn(params)(x))

    def transport(self, x: np.ndarray) -> np.ndarray:
        """Return the treated state of every cell."""
        return np.asarray(self._gradient(self._params, x))


def stock(
    problem: ot.Problem,
    seed: int,
    *,
    n_steps: int = 10_000,
    plain: bool = False,
    callback: Callable[[int, StockMap], None] | None = None,
) -> StockMap:
    """Fit ott's W2NeuralDual with its own ICNN in its own Python loop: what a user would run instead.

    Parameters
    ----------
    problem
        Train cells.
    seed
        Seed of the networks and the batches.
    n_steps
        Steps.
    plain
        Whether to leave out the solver of the conjugate, and train g by the objective of Makkuva et al. (2020) instead:
        much cheaper steps.
    callback
        Called after every step, with the number of steps made and the map.
    """
    changed = {"conjugate_solver": None, "amortization_loss": "objective"} if plain else {}
    with warnings.catch_warnings():
        # it finds its own networks at odds with its own defaults
        warnings.filterwarnings("ignore", "Setting of ICNN")
        dual = W2NeuralDual(
            problem.n_dims, num_train_iters=n_steps, valid_freq=n_steps + 1, rng=jax.random.key(seed), **changed
        )
    source, target = (_batches(cells, seed + i) for i, cells in enumerate((problem.source, problem.target)))
    never = itertools.repeat(None)

    def after(step: int, _: Any) -> None:
        if callback is not None:
            jax.block_until_ready(dual.state_f.params)
            callback(step + 1, StockMap(dual))

    # ott draws its own progress bar
    with contextlib.redirect_stderr(io.StringIO()):
        dual(source, target, never, never, callback=after)
    jax.block_until_ready(dual.state_f.params)
    return StockMap(dual)


def _batches(cells: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    while True:
        yield cells[rng.integers(len(cells), size=STOCK_BATCH)]

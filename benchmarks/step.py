"""What a training step costs: ours, ott's own, and an outer iteration of the published recipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from cellot_sc import ot
from cellot_sc.ot._loop import objectives
from cellot_sc.ot._maps import networks

from . import _fits, _loop, _machine, _output

PUBLISHED = {24: 31.0, 50: 33.0}
"""Milliseconds of an outer iteration of the published implementation, by number of dimensions, on one core."""


def run(argv: Sequence[str]) -> int:
    """Measure, and write the table."""
    parser = _output.parser("step", __doc__)
    for name, value in {"dims": 50, "batch": 256, "width": 64, "depth": 4, "steps": 200, "stock-steps": 40}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--repetitions", type=int, default=5, help="of which the quickest counts")
    given = parser.parse_args(argv)
    problem = _loop.split_effect(2000, given.dims)
    size = {"width": given.width, "depth": given.depth, "batch_size": given.batch}
    rate = _machine.matmul_rate()

    ours = _loop.take(problem, "icnn", penalties=(10.0,), n_steps=100 * given.steps, **size)
    joint = _best(lambda: _loop.advance(ours, given.steps), given.repetitions) / given.steps
    stock, plain = (_stock_step(problem, given.stock_steps, plain=plain) for plain in (False, True))
    n_steps = max(1, given.steps // 4)
    paper = _loop.take(problem, "paper", **size)
    outer = _best(lambda: _loop.advance(paper, n_steps), given.repetitions) / n_steps
    rows = [
        _row("joint step of both potentials, icnn", joint, rate, _loop.operations(ours)),
        _row("joint step, ott's W2NeuralDual, its defaults, its loop", stock, rate, ratio=stock / joint),
        _row("the same without its solver of the conjugate", plain, rate, ratio=plain / joint),
        _row("outer iteration of paper, ours", outer, rate, _paper_operations(paper, given.batch)),
    ]
    if (published := PUBLISHED.get(given.dims)) is not None:
        seconds = published / 1e3
        rows.append(_row("outer iteration, as published (another machine)", seconds, rate, ratio=seconds / outer))
    notes = [
        f"Batch {given.batch}, {given.dims} dimensions, {given.depth} layers of {given.width}. Float32 products: "
        f"{rate / 1e9:.0f} GFLOP/s. Compilation not included. Ratios: ott to our joint step, published to our outer "
        "iteration. Operations as XLA counts them."
    ]
    _output.write("step", given.out, {"Cost of a step": pd.DataFrame(rows).fillna("")}, notes)
    return 0


def _row(
    what: str, seconds: float, rate: float, operations: float | None = None, ratio: float | None = None
) -> dict[str, object]:
    row: dict[str, object] = {"what": what, "ms": 1e3 * seconds, "MFLOP": None, "share of the matmul rate": None}
    if operations is not None:
        row |= {"MFLOP": operations / 1e6, "share of the matmul rate": f"{operations / seconds / rate:.0%}"}
    return row | {"ratio": None if ratio is None else f"{ratio:.1f}x"}


def _paper_operations(paper: _loop.Training, batch: int) -> float:
    """Return the operations of an outer iteration: XLA counts the inner loop as if it were made once."""
    config = paper.config
    f, g = (jax.tree.map(lambda leaf: leaf[0, 0], paper.state[name]) for name in ("f", "g"))
    cells = jnp.zeros((batch, paper.clouds.cells.shape[1]))
    network: networks.PaperICNN = config.network
    slope = jax.jit(jax.grad(lambda g: objectives.minmax_g(network, f, g, cells)))
    inner = float(slope.lower(g).compile().cost_analysis()["flops"])
    return _loop.operations(paper) + (config.n_inner - 1) * inner


def _stock_step(problem: ot.Problem, n_steps: int, *, plain: bool) -> float:
    """Return the seconds of a step of ott's loop: the median, after the first few, which compile."""
    times: list[float] = []
    _fits.stock(problem, 0, n_steps=n_steps, plain=plain, callback=lambda *_: times.append(time.perf_counter()))
    return float(np.median(np.diff(times[2:])))


def _best(function: Callable[[], object], repetitions: int) -> float:
    """Return the seconds of the quickest of several calls, after one that compiles."""
    function()
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)

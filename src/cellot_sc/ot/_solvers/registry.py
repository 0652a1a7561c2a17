"""The registry of solvers: a name, and how to fit a transport map for each of several problems."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Sequence
from typing import Any

from .._maps.affine import IdentityMap, MeanShiftMap
from .._maps.base import TransportMap
from .._moments import mean_of
from .._problem import History, Problem, Progress, Solution
from .cae import CaeConfig, fit_cae
from .entropic import EntropicConfig, fit_entropic
from .expectile import ExpectileConfig, fit_expectile
from .gaussian import gaussian_map
from .icnn import ICNNConfig, fit_icnn
from .monge_gap import MongeGapConfig, fit_monge_gap
from .paper import PaperConfig, fit_paper
from .popalign import PopAlignConfig, fit_popalign
from .scgen import ScgenConfig, fit_scgen


@dataclasses.dataclass(frozen=True)
class Solver:
    """How to fit a transport map.

    Parameters
    ----------
    name
        Name in the registry.
    summary
        One line on what it does.
    config
        Frozen dataclass of its options.
    run
        Called with the problems, a config, a seed and a progress meter; returns one fit per problem.
    """

    name: str
    summary: str
    config: type
    run: Callable[[Sequence[Problem], Any, int, Progress | None], list[Solution]]

    def options(self) -> list[str]:
        """Return the names of the options that the solver takes."""
        return [field.name for field in dataclasses.fields(self.config)]


@dataclasses.dataclass(frozen=True)
class NoOptions:
    """The options of a solver that has none."""


def _closed_form(function: Callable[[Problem], TransportMap]) -> Callable[..., list[Solution]]:
    def run(problems: Sequence[Problem], config: NoOptions, seed: int, progress: Progress | None) -> list[Solution]:
        return [Solution(function(problem), History()) for problem in problems]

    return run


def _mean_shift(problem: Problem) -> MeanShiftMap:
    source = mean_of(problem.source, problem.source_weights)
    return MeanShiftMap(mean_of(problem.target, problem.target_weights) - source)


SOLVERS: dict[str, Solver] = {
    solver.name: solver
    for solver in (
        Solver("identity", "every cell stays", NoOptions, _closed_form(lambda p: IdentityMap(p.n_dims))),
        Solver("mean_shift", "every cell moves alike", NoOptions, _closed_form(_mean_shift)),
        Solver(
            "gaussian",
            "optimal affine map between Gaussians",
            NoOptions,
            _closed_form(lambda p: gaussian_map(p.source, p.target, p.source_weights, p.target_weights)),
        ),
        Solver("icnn", "ensemble of convex networks, from a Gaussian start, by the dual", ICNNConfig, fit_icnn),
        Solver("entropic", "discrete optimal transport, extended to other cells", EntropicConfig, fit_entropic),
        Solver("popalign", "aligned components of Gaussian mixtures", PopAlignConfig, fit_popalign),
        Solver("expectile", "ott's ExpectileNeuralDual", ExpectileConfig, fit_expectile),
        Solver("monge_gap", "ott's MongeGapEstimator", MongeGapConfig, fit_monge_gap),
        Solver("scgen", "every cell moves alike in the latent of an autoencoder", ScgenConfig, fit_scgen),
        Solver("cae", "autoencoder that is told the condition, which is then switched", CaeConfig, fit_cae),
        Solver("paper", "the recipe of the CellOT publication", PaperConfig, fit_paper),
    )
}
"""Every solver by its name."""


def get(name: str) -> Solver:
    """Return a solver by its name.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in SOLVERS:
        close = difflib.get_close_matches(name, SOLVERS, n=1, cutoff=0.4)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        msg = f"solver {name!r} is unknown.{hint} Valid: {', '.join(map(repr, SOLVERS))}."
        raise ValueError(msg)
    return SOLVERS[name]


def configure(name: str, **options: Any) -> Any:
    """Return the checked options of a solver.

    Raises
    ------
    ValueError
        If there is no such solver, or an option has an impossible value.
    TypeError
        If the solver has no such option.
    """
    solver = get(name)
    for option in options:
        if option not in solver.options():
            close = difflib.get_close_matches(option, solver.options(), n=1, cutoff=0.4)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            valid = ", ".join(solver.options()) or "none"
            msg = f"solver {name!r} has no option {option!r}.{hint} Valid: {valid}."
            raise TypeError(msg)
    return solver.config(**options)


def fit(
    problems: Sequence[Problem],
    solver: str = "icnn",
    *,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Any,
) -> list[Solution]:
    """Fit one transport map per problem.

    Parameters
    ----------
    problems
        Pairs of clouds in the same space.
    solver
        Name in :data:`SOLVERS`.
    seed
        Seed of everything random. The same seed gives the same maps on the same machine, to the bit.
    progress
        Called as the fit goes on.
    **options
        Options of the solver.

    Returns
    -------
    A fit per problem, in the same order.

    Raises
    ------
    ValueError
        If there is no such solver, or an option has an impossible value.
    TypeError
        If the solver has no such option.

    Examples
    --------
    >>> import numpy as np
    >>> from cellot_sc import ot
    >>> x = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    >>> [fit] = ot.fit([ot.Problem(x, x + 1)], "mean_shift")
    >>> fit.map.shift.round(3).tolist()
    [1.0, 1.0]
    """
    config = configure(solver, **options)
    return get(solver).run(problems, config, seed, progress)

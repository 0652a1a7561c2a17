"""Fits of peers: those that run in this process, and those in an environment of their own."""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import ot

from . import _fits
from ._peers_clock import running
from ._peers_problems import PeerProblem

REP = "X_cellot"
TIMES = 10
"""What slow peers get, in seconds of the default."""
DEFAULT = "icnn"
OURS: dict[str, dict[str, Any]] = {
    "identity": {"solver": "identity"},
    "mean_shift": {"solver": "mean_shift"},
    "group_shift": {"solver": "group_shift", "context": "cell_type"},
    "gaussian": {"solver": "gaussian"},
    "group_gaussian": {"solver": "group_gaussian", "context": "cell_type"},
    DEFAULT: {},
    "icnn by type": {"context": "cell_type"},
}
"""Options of the package's own fits; the first five are controls."""
FOREIGN = {
    "CINEMA-OT": ("pertpy", "_peers_pertpy"),
    "CellFlow": ("cellflow", "_peers_cellflow"),
    "Scgen": ("pertpy", "_peers_pertpy"),
}
"""Environment and module of every peer that runs in one of its own."""
CERTAIN = ("identity", "mean_shift", "group_shift", "gaussian", "group_gaussian", "moscot", "CINEMA-OT")
"""Peers that no seed changes."""


class Prediction(NamedTuple):
    """Predicted cells of the test control cells in ``space`` ("latent" or "genes"), and what they cost."""

    cells: np.ndarray
    space: str
    cpu: float
    """Seconds of the processor, the compiler's apart."""
    compiling: float
    steps: str
    version: str


def fit(name: str, adata: AnnData, of: PeerProblem, seed: int, budget: float, pythons: Mapping[str, str]) -> Prediction:
    """Return what a peer predicts; ``budget`` is for those that are slow."""
    if name in FOREIGN:
        environment, module = FOREIGN[name]
        return _foreign(name, adata, of, seed, budget, pythons[environment], module)
    if name in OWN_LOOPS:
        return OWN_LOOPS[name](adata, of, seed, budget)
    with running() as clock:
        cs.tl.cellot(adata, of.key, "control", use_rep=REP, seed=seed, key_added="peer", **OURS[name])
        predicted = cs.tl.predict(adata, of.target, key="peer", cells=test_controls(adata, of), decode=False)
    cells = np.asarray(predicted.obsm[REP])
    return Prediction(cells, "latent", clock.spent, clock.compiling, "its own stop", _version("cellot-sc"))


def test_controls(adata: AnnData, of: PeerProblem) -> np.ndarray:
    """Return which cells are to be predicted."""
    return ((adata.obs[of.key] == "control") & (adata.obs["split"] == of.part)).to_numpy()


def problem_of(adata: AnnData, of: PeerProblem) -> ot.Problem:
    """Return the train and validation cells in the latent."""
    x, treated = np.asarray(adata.obsm[REP], np.float32), (adata.obs[of.key] == of.target).to_numpy()
    train, valid = ((adata.obs["split"] == part).to_numpy() for part in ("train", "valid"))
    return ot.Problem(x[train & ~treated], x[train & treated], x[valid & ~treated], x[valid & treated])


class _Over(Exception):
    """There is no time left."""


def _paper(adata: AnnData, of: PeerProblem, seed: int, budget: float) -> Prediction:
    """Fit the published recipe as long as there is time: best so far by its criterion."""
    made = 0

    with running() as clock:

        def meter(done: int, total: int, metrics: dict[str, float]) -> None:
            nonlocal made
            made = done
            if clock.spent > budget:
                raise KeyboardInterrupt

        fitted = ot.fit([problem_of(adata, of)], "paper", seed=seed, progress=meter, n_steps=100_000)[0].map
        cells = fitted.transport(adata.obsm[REP][test_controls(adata, of)])
    return Prediction(
        cells, "latent", clock.spent, clock.compiling, f"{made:,} steps of 100,000", _version("cellot-sc")
    )


def _ott(adata: AnnData, of: PeerProblem, seed: int, budget: float, *, plain: bool = True) -> Prediction:
    """Run ott's own loop as long as there is time: last step."""
    n_steps = 100_000
    last: list[Any] = []

    with running() as clock:

        def meter(step: int, fitted: _fits.StockMap) -> None:
            if clock.spent > budget:
                last[:] = [step, fitted]
                raise _Over

        try:
            last = [n_steps, _fits.stock(problem_of(adata, of), seed, n_steps=n_steps, plain=plain, callback=meter)]
        except _Over:
            pass
        cells = last[1].transport(adata.obsm[REP][test_controls(adata, of)])
    return Prediction(cells, "latent", clock.spent, clock.compiling, f"{last[0]:,} steps", _version("ott-jax"))


def _moscot(adata: AnnData, of: PeerProblem, seed: int, budget: float) -> Prediction:
    """Solve the Sinkhorn problem of train cells, and move test cells by its entropic map."""
    from moscot.problems.generic import SinkhornProblem

    logging.getLogger("moscot._logging").setLevel("ERROR")
    train = adata[(adata.obs["split"] == "train").to_numpy()].copy()
    train.obs[of.key] = train.obs[of.key].astype("category")
    with running() as clock:
        problem = SinkhornProblem(train)
        problem = problem.prepare(of.key, joint_attr=REP, policy="explicit", subset=[("control", of.target)])
        problem = problem.solve(epsilon=0.05)
        maps = cs.tl.from_moscot(problem, adata, use_rep=REP, key_added="peer_moscot")
        cells = next(iter(maps.values())).transport(adata.obsm[REP][test_controls(adata, of)])
    return Prediction(np.asarray(cells), "latent", clock.spent, clock.compiling, "to convergence", _version("moscot"))


def _foreign(
    name: str, adata: AnnData, of: PeerProblem, seed: int, budget: float, python: str, module: str
) -> Prediction:
    """Run a module that imports the peer and nothing of this package, with the interpreter of its environment."""
    x = adata.X.toarray() if sp.issparse(adata.X) else np.asarray(adata.X)
    rows = {"": (adata.obs["split"] == "train").to_numpy(), "_test": test_controls(adata, of)}
    labels = np.where(adata.obs[of.key] == "control", "control", "treated")
    arrays: dict[str, Any] = {"labels": labels[rows[""]], "seed": seed, "budget": budget}
    for suffix, chosen in rows.items():
        arrays["genes" + suffix] = x[chosen].astype(np.float32)
        arrays["latent" + suffix] = np.asarray(adata.obsm[REP], np.float32)[chosen]
        # of numpy's own kind, which every version reads
        arrays["types" + suffix] = np.array(adata.obs["cell_type"].astype(str).to_list())[chosen]
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(source, **arrays)
        command = [python, "-m", f"benchmarks.{module}", name, str(source), str(out)]
        done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name} ended with code {done.returncode}: {done.stderr[-2000:]}")
        with np.load(out) as found:
            given = dict(found)
    cpu, compiling = float(given["cpu"]), float(given["compiling"])
    steps, version = str(given["steps"]), str(given["version"])
    return Prediction(given["cells"], str(given["space"]), cpu, compiling, steps, version)


def _version(name: str) -> str:
    return f"{name} {importlib.metadata.version(name)}"


OWN_LOOPS: dict[str, Callable[[AnnData, PeerProblem, int, float], Prediction]] = {
    "moscot": _moscot,
    "ott": _ott,
    "ott with conjugates": functools.partial(_ott, plain=False),
    "paper": _paper,
}
"""Peers that run in this process, but not by the package's own verb."""
PEERS = (*OURS, "moscot", "CINEMA-OT", "ott", "paper", "CellFlow", "Scgen", "ott with conjugates")
"""All peers, those that cost least first; the default is the measure of what slow ones get."""

"""A task of the CellOT paper from its files to tables of scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from . import __version__, _defaults, _keys, _validate, datasets, pp, tl
from .datasets import Task
from .datasets._task import ARCHIVE_DOI
from .ot import SOLVERS
from .ot._solvers import registry

REPRESENTATIONS = ("autoencoder", "pca", _keys.EXPRESSION)
N_CELLS = (100, 250, 500, 1000, 1500)
"""Numbers of cells that the paper compares."""
VALID_FRACTION = 0.1
"""Share of the cells on which fits are selected; the paper's were selected on those that they were judged by."""


@dataclass(frozen=True)
class Plan:
    """How a task is run.

    Parameters
    ----------
    solver
        Name in :data:`cellot_sc.ot.SOLVERS`.
    options
        Its options. The batch size is the task's if none is given.
    baselines
        Solvers beside it.
    representation
        ``"autoencoder"``, ``"pca"`` or ``"X"``; the task's with ``None``.
    holdouts
        Groups to hold out in turn; ``all`` stands for every one, and nothing for the one of the task.
    targets
        Perturbations to predict, those of the task with ``None``.
    seed
        Seed of everything random.
    """

    solver: str = _defaults.SOLVER
    options: Mapping[str, Any] = field(default_factory=dict)
    baselines: Sequence[str] = _defaults.PUBLISHED
    representation: str | None = None
    holdouts: Sequence[str] = ()
    targets: Sequence[str] | None = None
    seed: int = 0


def run(name: str, folder: Path, out: Path, plan: Plan) -> pd.DataFrame:
    """Split, represent, fit and judge as the paper did; write the tables to a folder and return their summary.

    A group that is held out is judged on half of its cells, twice: when the other half was not learnt from
    (``learnt_from`` is no), and when it was (yes).

    Parameters
    ----------
    name
        Name of the task.
    folder
        Where the unpacked archive is.
    out
        Where these are written: ``scores.csv`` (today's metrics, on all cells, in the space of the maps),
        ``legacy.csv`` (the published metrics, on features or marker genes), ``summary.csv`` (means of both, over
        held-out groups if there are several, else over perturbations) and ``run.json`` (what was run).
    plan
        How to run it.

    Raises
    ------
    FileNotFoundError
        If a file of the task is not there.
    KeyError, TypeError, ValueError
        If the file lacks what the task needs, or there is no such task, solver, option, group or perturbation.
    """
    task = datasets.tasks[_validate.one_of(name, datasets.tasks, what="task")]
    if plan.targets is not None:
        task = replace(task, targets=tuple(plan.targets), targets_file=None)
    plan = _complete(plan, task)
    adata = task.read(folder)
    scores, legacy = [], []
    groups = _groups(task, adata, plan.holdouts)
    for holdout in groups:
        for twin in (None,) if holdout is None else ("ood", "iid"):
            fold = adata.copy()
            _fit(fold, task, plan, holdout, twin)
            split = _keys.TEST if holdout is None else _keys.OOD
            labels = {} if holdout is None else {"holdout": holdout, "learnt_from": "no" if twin == "ood" else "yes"}
            judged = tl.evaluate(fold, split=split, baselines=plan.baselines, seed=plan.seed)
            scores.append(judged.assign(space="latent", **labels))
            legacy.append(_judge_as_published(fold, task, plan, split).assign(space="features", **labels))
    tables = {"scores": pd.concat(scores, ignore_index=True), "legacy": pd.concat(legacy, ignore_index=True)}
    unit = "holdout" if len(groups) > 1 else _keys.PERTURBATION
    summary = pd.concat([tl.summarize_scores(table, unit) for table in tables.values()], ignore_index=True)
    for name, table in {**tables, "summary": summary}.items():
        table.to_csv(out / f"{name}.csv", index=False)
    settings = {"version": __version__, "task": asdict(task), "plan": asdict(plan), "valid_fraction": VALID_FRACTION}
    (out / "run.json").write_text(json.dumps(settings, indent=2, default=str), encoding="utf-8")
    return summary


def show(summary: pd.DataFrame) -> str:
    """Return a summary as text: a row per model, and a column per metric, on the most cells that judge all."""
    keys = [key for key in ("space", "metric", "perturbation", "learnt_from") if key in summary]
    # halves of few observed cells are smaller than the samples of the others
    model_cells = summary.dropna(subset="value").groupby([*keys, "model"], dropna=False)["n_cells"].max()
    shared_cells = model_cells.groupby(keys, dropna=False).min().rename("most").reset_index()
    most = (summary["n_cells"] == summary.merge(shared_cells, how="left", on=keys)["most"].to_numpy()).to_numpy()
    wanted = [
        metric in _defaults.REPRODUCED_METRICS[space]
        for space, metric in zip(summary["space"], summary["metric"], strict=True)
    ]
    rows = summary[most & np.array(wanted) & (summary["group"] == _keys.ALL)]
    blocks = {"": rows}
    if "learnt_from" in rows:
        blocks = {
            "held-out groups, never seen:\n": rows[rows["learnt_from"] == "no"],
            "the same cells, others of their groups seen:\n": rows[rows["learnt_from"] == "yes"],
        }
    metrics = [metric for names in _defaults.REPRODUCED_METRICS.values() for metric in names]
    shown = []
    for title, block in blocks.items():
        wide = block.pivot_table(index="model", columns="metric", values="value", sort=False)
        wide = wide.loc[rows["model"].unique(), metrics].rename_axis(index=None, columns=None)
        shown.append(title + wide.to_string(float_format="{:.3g}".format))
    return "\n\n".join(shown)


def catalogue() -> str:
    """Return the tasks as text: what is predicted, how much, and where the files are."""
    blocks = []
    for task in datasets.tasks.values():
        lines = [
            task.name,
            f"{task.title} ({task.setting})",
            f"perturbations: {task.n_targets or 'all'}, features: {task.n_features}, batch size: {task.batch_size}",
            f"held out: {task.holdout} of {task.holdout_key}" if task.holdout_key else "",
            f"file: {task.files[0]}, from doi {task.source}",
            f"not verified: {task.not_verified}" if task.not_verified else "",
        ]
        blocks.append("\n  ".join(filter(None, lines)))
    return "\n\n".join([*blocks, f"All files are in https://doi.org/{ARCHIVE_DOI}"])


def _complete(plan: Plan, task: Task) -> Plan:
    """Return the plan with what the task says; raise if a name does not exist, before anything is read."""
    options = dict(plan.options)
    if "batch_size" in SOLVERS.resolve(plan.solver).options():
        options.setdefault("batch_size", task.batch_size)
    registry.configure(plan.solver, **options)
    return replace(
        plan,
        options=options,
        baselines=_validate.some_of(plan.baselines, SOLVERS, what="baseline"),
        representation=_validate.one_of(
            plan.representation or task.representation, REPRESENTATIONS, what="representation"
        ),
        seed=_validate.seed(plan.seed),
    )


def _groups(task: Task, adata: AnnData, wanted: Sequence[str]) -> list[str] | list[None]:
    if task.holdout_key is None:
        if wanted:
            raise ValueError(f"task {task.name!r} holds out no group: leave --holdout {wanted[0]} out.")
        return [None]
    there = adata.obs[task.holdout_key].cat.categories.tolist()
    if _keys.ALL in wanted:
        return [group for group in task.holdouts or there if group in there]
    return _validate.some_of(wanted or [str(task.holdout)], there, what=f"holdout of obs[{task.holdout_key!r}]")


def _fit(adata: AnnData, task: Task, plan: Plan, holdout: str | None, twin: Any) -> None:
    """Split, represent and fit in place."""
    counted = isinstance(task.test_size, int)
    pp.split(
        adata,
        task.perturbation_key,
        control=task.control,
        test_fraction=0.0 if counted else task.test_size,
        valid_fraction=VALID_FRACTION,
        holdout=None if holdout is None else {str(task.holdout_key): holdout},
        twin=twin,
        stratify_by=task.test_groups or None,
        seed=plan.seed,
    )
    if counted:
        _take_test_cells(adata, task, plan.seed)
    if plan.representation != _keys.EXPRESSION:
        preset: dict[str, Any] = {"preset": _defaults.PAPER} if plan.representation == "autoencoder" else {}
        pp.represent(adata, str(plan.representation), n_components=task.n_components, seed=plan.seed, **preset)
    use_rep = _keys.EXPRESSION if plan.representation == _keys.EXPRESSION else _keys.REP
    tl.cellot(
        adata, task.perturbation_key, task.control, use_rep=use_rep, solver=plan.solver, seed=plan.seed, **plan.options
    )


def _take_test_cells(adata: AnnData, task: Task, seed: int) -> None:
    """Make so many train cells of each group test cells, at most half of them."""
    parts = np.array(adata.obs[_keys.SPLIT], dtype=object)
    rng = np.random.default_rng([seed, int(task.test_size)])
    for rows in adata.obs.groupby(list(task.test_groups), observed=True).indices.values():
        train = rng.permutation(rows[parts[rows] == _keys.TRAIN])
        parts[train[: min(int(task.test_size), len(train) // 2)]] = _keys.TEST
    adata.obs[_keys.SPLIT] = pd.Categorical(parts, categories=list(_keys.SPLITS))


def _judge_as_published(adata: AnnData, task: Task, plan: Plan, split: str) -> pd.DataFrame:
    """Score with the published metrics, on so many markers and cells as were published and are there."""
    labels = adata.obs.loc[adata.obs[_keys.SPLIT] == split, task.perturbation_key].astype(str).value_counts()
    most = min(labels[task.control], labels.drop(task.control).max())
    return tl.evaluate(
        adata,
        split=split,
        metrics=_defaults.PUBLISHED_METRICS,
        space="genes",
        baselines=plan.baselines,
        n_markers=task.n_markers,
        n_cells=[n for n in N_CELLS if n <= most] or None,
        n_boot=0,
        seed=plan.seed,
    )

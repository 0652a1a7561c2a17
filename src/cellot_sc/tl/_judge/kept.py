"""Keeps judgements in a file, whole or not at all: other processes make the table of them."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from ... import _trees
from ...metrics import METRICS
from .judge import Judgement, Setting
from .scores import Score, Scores, UnitTest
from .tabulation import Tabulation

KIND = "scores block"
VERSION = 2


def write(path: Path, judgements: dict[str, Judgement], tabulation: Tabulation) -> None:
    """Write the judgements of some perturbations, and what their table is to know.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    across = any(metric.across_perturbations for metric in tabulation.metrics)
    known = {field.name: getattr(tabulation, field.name) for field in dataclasses.fields(tabulation)}
    tree = {
        "tabulation": known | {"metrics": [metric.name for metric in tabulation.metrics]},
        "judgements": {name: _tree(judgement, across=across) for name, judgement in judgements.items()},
    }
    _trees.write_tree(tree, path, kind=KIND, version=VERSION, overwrite=True)


def read(path: Path) -> tuple[dict[str, Judgement], Tabulation]:
    """Read what :func:`write` has written.

    Raises
    ------
    OSError
        If it is not there.
    ValueError
        If it is something else, or broken.
    """
    tree = _trees.read_tree(path, kind=KIND, versions=[VERSION])
    known = tree["tabulation"]
    tabulation = Tabulation(**known | {"metrics": METRICS.select(known["metrics"])})
    return {name: _judgement(kept) for name, kept in tree["judgements"].items()}, tabulation


def _tree(judgement: Judgement, *, across: bool) -> dict[str, Any]:
    """Return a judgement as arrays; effects only where a metric goes across perturbations."""
    return {
        "scores": [
            {"setting": [*setting], "group": group} | _arrays(scores)
            for setting, by_group in judgement.scores.items()
            for group, scores in by_group.items()
        ],
        "effects": [
            [group, model, *map(np.stack, zip(*pairs, strict=True))]
            for group, by_model in judgement.effects.items()
            for model, pairs in by_model.items()
        ]
        * across,
        "n_cells": judgement.n_cells,
        "validation": None if judgement.validation is None else _tree(judgement.validation, across=across),
    }


def _arrays(scores: Scores) -> dict[str, np.ndarray]:
    return {
        "models": np.array([model for model, _ in scores], dtype=object),
        "metrics": np.array([metric for _, metric in scores], dtype=object),
        "values": np.array([score.value for score in scores.values()], dtype=np.float64),
        "resamples": np.array([score.resamples for score in scores.values()], dtype=np.float64),
        "n_cells": np.array([score.n_cells for score in scores.values()], dtype=np.int64),
        "tests": np.array([score.test for score in scores.values()], dtype=np.float64),
    }


def _judgement(tree: dict[str, Any]) -> Judgement:
    validation = None if tree["validation"] is None else _judgement(tree["validation"])
    judgement = Judgement(defaultdict(dict), {}, tree["n_cells"], validation)
    for kept in tree["scores"]:
        keys = zip(kept["models"].tolist(), kept["metrics"].tolist(), strict=True)
        tests = (UnitTest(*test) for test in kept["tests"].tolist())
        scores = map(Score, kept["values"].tolist(), kept["resamples"], kept["n_cells"].tolist(), tests)
        judgement.scores[Setting(*kept["setting"])][kept["group"]] = dict(zip(keys, scores, strict=True))
    for group, model, predicted, observed in tree["effects"]:
        judgement.effects.setdefault(group, {})[model] = [*zip(predicted, observed, strict=True)]
    return judgement

"""The control at which a calibrated score is 0: chosen on validation cells, never on those that are judged."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ... import _defaults, _keys, _validate
from ..._settings import logger
from ...metrics import Metric, median_gammas
from ...ot import TransportMap
from .clouds import Data, Members, gather
from .composition import equal_composition
from .judge import EvaluationPlan, Judgement, Setting, discriminate, effects_of, score, viewed
from .resamples import Resamples
from .scores import Scores

CONTROLS = (*_defaults.BASELINES, *_defaults.GROUP_BASELINES)
"""Solvers that a floor is chosen among, the simplest first."""


def asked(floor: str | None, judged: Sequence[str], *, split: str, counts: Sequence[int] | None) -> str | None:
    """Return the floor of all metrics, or ``None`` if each has one that is chosen on validation cells.

    Parameters
    ----------
    floor
        What was asked for.
    judged
        Solvers that are judged beside the maps.
    split
        The split that is judged.
    counts
        Numbers of validation cells, of the control first; ``None`` where there are none of the fit.

    Raises
    ------
    ValueError
        If the floor is no control that is judged.
    """
    candidates = among(judged)
    if floor is not None:
        return str(_validate.one_of(floor, dict.fromkeys([_defaults.IDENTITY, *candidates]), what="floor"))
    if len(candidates) < 2:
        return next(iter(candidates), _defaults.IDENTITY)
    if split == _keys.VALID:
        why = f"split {_keys.VALID!r}, on which a control would be chosen, is the one that is judged"
    elif counts is None:
        why = "a model does not keep the validation cells on which a control would be chosen"
    elif counts[0] < 2 or max(counts[1:]) < 2:
        why = f"there are no control and treated cells in split {_keys.VALID!r} on which a control would be chosen"
    else:
        return None
    logger.info("calibrated scores are 0 at %r: %s", _defaults.IDENTITY, why)
    return _defaults.IDENTITY


def among(judged: Sequence[str]) -> tuple[str, ...]:
    """Return the solvers that are controls."""
    return tuple(name for name in CONTROLS if name in judged)


def on_validation(
    data: Data, plan: EvaluationPlan, name: str, maps: Mapping[str, TransportMap], markers: np.ndarray | None
) -> Judgement | None:
    """Score what controls predict of the validation cells of a perturbation, of which there may be too few.

    Cells are compared with equal composition where kinds are known and there are enough of them, lest a control that
    takes a change of abundance for a response be the best; by all features or by as many markers as there are at most.
    Nothing is resampled.
    """
    data = replace(data, split=_keys.VALID, groups=None, units=None, given={})
    if plan.n_markers is not None and markers is not None:
        data = viewed(data, markers[: max(plan.n_markers)])
    of_split = data.parts == _keys.VALID
    if min((of_split & (data.labels == label)).sum() for label in (data.control, name)) < 2:
        return None
    rng = np.random.default_rng([plan.seed, zlib.crc32(name.encode()), zlib.crc32(_keys.VALID.encode())])
    members = equal_composition(data, name, rng) or Members(np.ones(len(data.labels), dtype=bool), {})
    controls = {model: maps[model] for model in plan.controls}
    clouds = gather(data, name, members, controls, Resamples(0, None, of_split, rng), rng)._replace(halves=[])
    observed = clouds.observed.cells
    scores = score(plan.metrics, clouds, median_gammas(clouds.control.cells, observed))
    effects = effects_of(clouds)
    return Judgement(
        {Setting(observed.shape[1], None): {_keys.ALL: {key: scores[key] for key in scores if key[0] in controls}}},
        {_keys.ALL: {model: effects[model] for model in controls}},
        {_keys.ALL: len(observed)},
    )


def chosen(judgements: Mapping[str, Judgement], metrics: Sequence[Metric]) -> dict[str, str]:
    """Return by metric the control with the best mean over perturbations of what it scores on validation cells.

    The mean is that of how bad it is, over the perturbations where all controls have a score. A control that never has
    one is no candidate; of equals, the simplest is taken, and no effect where nothing is known.
    """
    validations = {name: one.validation for name, one in judgements.items() if one.validation is not None}
    discriminate(validations, [*metrics], 0)
    scores = [by_group[_keys.ALL] for one in validations.values() for by_group in one.scores.values()]
    found = {metric.name: _best(metric, scores) for metric in metrics}
    logger.info(
        "calibrated scores are 0 at the best control on validation cells: %s",
        ", ".join(f"{control} by {name}" for name, control in found.items()),
    )
    return found


def _best(metric: Metric, scores: Sequence[Scores]) -> str:
    """Return the best control by one metric, given the scores of every perturbation."""
    models = among([model for model, _ in scores[0]]) if scores else ()
    bad = {model: metric.badness(np.array([one[model, metric.name].value for one in scores])) for model in models}
    bad = {model: of_model for model, of_model in bad.items() if not np.isnan(of_model).all()}
    if not bad:
        return _defaults.IDENTITY
    values = np.array([*bad.values()])
    known = ~np.isnan(values).any(axis=0)
    if not known.any():
        return _defaults.IDENTITY
    return [*bad][int(np.argmin(values[:, known].mean(axis=1)))]

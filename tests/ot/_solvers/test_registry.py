from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._solvers import registry

CLOSED_FORM = ["identity", "mean_shift", "gaussian"]


@pytest.fixture(scope="module")
def problems() -> list[ot.Problem]:
    x, y, z = np.random.default_rng(0).normal(size=(3, 60, 4)).astype(np.float32)
    empty = x[:0]
    return [ot.Problem(x, y + 2, empty, empty), ot.Problem(x, z * 3, empty, empty)]


def test_registry_names_its_solvers():
    assert {*CLOSED_FORM, "icnn"} <= set(ot.SOLVERS)
    for name, solver in ot.SOLVERS.items():
        assert solver.name == name
        assert solver.summary
        assert dataclasses.is_dataclass(solver.config)
        # the options with their defaults are valid
        assert dataclasses.asdict(registry.configure(name)).keys() == set(solver.options())


def test_default_solver_is_icnn():
    assert ot.fit.__kwdefaults__ is not None
    assert (ot.fit.__defaults__ or ())[-1] == "icnn"


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_closed_forms_fit_each_problem(name: str, problems: list[ot.Problem]):
    fits = ot.fit(problems, name)
    assert len(fits) == len(problems)
    for fit, problem in zip(fits, problems, strict=True):
        assert fit.map.kind == name
        assert fit.map.n_dims == problem.n_dims == 4
        assert fit.history == ot.History()


def test_closed_forms_move_the_mean(problems: list[ot.Problem]):
    for problem in problems:
        for name in ("mean_shift", "gaussian"):
            [fit] = ot.fit([problem], name)
            moved = fit.map.transport(problem.source)
            np.testing.assert_allclose(moved.mean(0), problem.target.mean(0), atol=1e-4)
        [fit] = ot.fit([problem], "identity")
        np.testing.assert_array_equal(fit.map.transport(problem.source), problem.source)


@pytest.mark.parametrize(
    ("given", "nearest"), [("gausian", "gaussian"), ("mean-shift", "mean_shift"), ("ICNN", None), ("xyz", None)]
)
def test_unknown_solver(given: str, nearest: str | None, problems: list[ot.Problem]):
    with pytest.raises(ValueError, match=f"solver '{given}' is unknown") as error:
        ot.fit(problems, given)
    for name in ot.SOLVERS:
        assert repr(name) in str(error.value)
    assert (f"Did you mean '{nearest}'?" in str(error.value)) == (nearest is not None)


def test_unknown_option_names_the_nearest():
    with pytest.raises(
        TypeError, match=r"solver 'icnn' has no option 'n_step'. Did you mean 'n_steps'\? Valid: .*width"
    ):
        registry.configure("icnn", n_step=3)


def test_solver_without_options(problems: list[ot.Problem]):
    with pytest.raises(TypeError, match="solver 'gaussian' has no option 'width'. Valid: none"):
        ot.fit(problems, "gaussian", width=3)


@pytest.mark.parametrize(
    "options",
    [
        {"width": 0},
        {"depth": -1},
        {"n_steps": 2.5},
        {"batch_size": True},
        {"check_every": 0},
        {"patience": 0},
        {"min_steps": -1},
        {"penalties": ()},
        {"penalties": (1.0, 0.0)},
        {"penalties": -3.0},
        {"learning_rate": 0},
        {"noise": -0.1},
        {"noise": float("nan")},
        {"learning_rate": float("nan")},
        {"penalties": (float("nan"),)},
        {"penalties": "weak"},
        {"noise": "none"},
    ],
    ids=str,
)
def test_impossible_options_of_icnn(options: dict[str, Any]):
    [name] = options
    with pytest.raises(ValueError, match=rf"^{name} is .*; a .*number.* is needed\.$"):
        registry.configure("icnn", **options)


def test_resume_needs_a_folder():
    with pytest.raises(ValueError, match="resume=True needs the checkpoint_dir"):
        registry.configure("icnn", resume=True)


def test_one_penalty_need_not_be_a_tuple():
    assert registry.configure("icnn", penalties=5).penalties == (5.0,)
    assert registry.configure("icnn", penalties=np.array([1, 2])).penalties == (1.0, 2.0)


def test_options_are_checked_before_anything_is_fitted(problems: list[ot.Problem]):
    with pytest.raises(TypeError, match="no option 'steps'"):
        ot.fit(problems, steps=10)

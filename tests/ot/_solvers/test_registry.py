from __future__ import annotations

import dataclasses
import inspect
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellot_sc import ot
from cellot_sc.ot._solvers import registry

CLOSED_FORM: dict[str, type[ot.TransportMap]] = {
    "identity": ot.IdentityMap,
    "mean_shift": ot.MeanShiftMap,
    "gaussian": ot.AffineMap,
}


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
    assert inspect.signature(ot.fit).parameters["solver"].default == "icnn"


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_closed_forms_fit_each_problem(name: str, problems: list[ot.Problem]):
    fits = ot.fit(problems, name)
    assert len(fits) == len(problems)
    for fit, problem in zip(fits, problems, strict=True):
        assert isinstance(fit.map, CLOSED_FORM[name])
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
    ("given", "nearest"), [("gausian", "gaussian"), ("mean-shift", "mean_shift"), ("ICNN", "icnn"), ("xyz", None)]
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
    with pytest.raises(TypeError, match="solver 'gaussian' has no option 'width'. There are none"):
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


def test_one_penalty_need_not_be_a_tuple():
    assert registry.configure("icnn", penalties=5).penalties == (5.0,)
    assert registry.configure("icnn", penalties=np.array([1, 2])).penalties == (1.0, 2.0)


def test_options_are_checked_before_anything_is_fitted(problems: list[ot.Problem]):
    with pytest.raises(TypeError, match="no option 'steps'"):
        ot.fit(problems, steps=10)


NUMBERS = [
    pytest.param(name, option, id=f"{name}-{option}")
    for name, solver in ot.SOLVERS.items()
    for option, value in vars(solver.config()).items()
    if isinstance(value, int | float) and not isinstance(value, bool)
]


@pytest.mark.parametrize(("name", "option"), NUMBERS)
def test_no_number_may_be_negative(name: str, option: str):
    with pytest.raises(ValueError, match=f"{option}.* -1"):
        registry.configure(name, **{option: -1})


@pytest.mark.parametrize("name", [name for name, solver in ot.SOLVERS.items() if "resume" in solver.options()])
def test_there_has_to_be_something_to_resume(name: str):
    with pytest.raises(ValueError, match="resume=True needs the checkpoint_dir"):
        registry.configure(name, resume=True)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        *(("entropic", "epsilons", value) for value in ((), (0.1, -1.0))),
        *(("popalign", "n_components", value) for value in ((), 0, (2, 1.5), True)),
        *((name, "hidden", (0,)) for name in ("scgen", "cae")),
        *((name, "n_latent", 0) for name in ("scgen", "cae")),
        ("paper", "patience", 0),
        ("paper", "width", 1.5),
    ],
)
def test_impossible_values(name: str, option: str, value: Any):
    with pytest.raises(ValueError, match=option):
        registry.configure(name, **{option: value})


def solver(name: str = "mine", **changed: Any) -> ot.Solver:
    return dataclasses.replace(ot.SOLVERS["mean_shift"], name=name, run=shifted, **changed)


def shifted(problems: Any, config: Any, seed: int, progress: Any) -> Any:
    return ot.SOLVERS["mean_shift"].run(problems, config, seed, progress)


@pytest.fixture
def _emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget solvers that a test registers, and look for those of other distributions anew."""
    monkeypatch.setattr(ot.SOLVERS, "_records", dict(ot.SOLVERS._records))
    monkeypatch.setattr(ot.SOLVERS, "_loaded", False)


def test_a_solver_is_taken_as_it_is(problems: list[ot.Problem]):
    expected = ot.fit(problems, "mean_shift")[0].map.state()["shift"]
    np.testing.assert_array_equal(ot.fit(problems, solver())[0].map.state()["shift"], expected)
    assert "mine" not in list(ot.SOLVERS)
    with pytest.raises(TypeError, match="solver is 3; text or a Solver is needed"):
        ot.fit(problems, 3)  # type: ignore[arg-type]


@pytest.mark.usefixtures("_emptied")
def test_a_registered_solver_is_found_by_its_name(problems: list[ot.Problem]):
    mine = ot.register(solver())
    assert ot.SOLVERS["mine"] is mine
    assert list(ot.SOLVERS)[-1] == "mine"
    assert ot.fit(problems, "mine")[0].map.n_dims == 4
    # defined anew, as by a cell of a notebook that is run again
    again = solver(label="my solver")
    assert ot.register(again).label == "my solver"
    assert ot.SOLVERS["mine"] is again


@pytest.mark.usefixtures("_emptied")
def test_a_name_that_is_taken_is_refused(problems: list[ot.Problem]):
    taken = r"the name of the solver 'icnn' is taken by cellot_sc.ot._solvers.icnn.fit_icnn: choose another one"
    for use in (ot.register, lambda one: ot.fit(problems, one)):
        with pytest.raises(ValueError, match=taken):
            use(solver("icnn"))
    with pytest.raises(TypeError, match="a solver is a Solver, not NoneType: None"):
        ot.register(None)  # type: ignore[arg-type]


def test_what_a_solver_does_not_know_is_refused_for_it(problems: list[ot.Problem]):
    weighed = dataclasses.replace(problems[0], source_weights=np.arange(60.0))
    typed = dataclasses.replace(problems[0], source_contexts=np.arange(60), target_contexts=np.arange(60))
    bare = ot.Solver("bare", "knows nothing", solver().config, shifted)
    with pytest.raises(ValueError, match="solver 'bare' cannot weigh cells. Valid: .*'gaussian'"):
        ot.fit([weighed], bare)
    with pytest.raises(
        ValueError, match="solver 'bare' fits no map per context: .* Valid: 'group_shift', 'group_gaussian', 'icnn'"
    ):
        ot.fit([typed], bare)


def distribution(folder: Path, name: str, points: str) -> None:
    info = folder / f"{name}-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[cellot_sc.solvers]\n{points}\n", encoding="utf-8")


@pytest.mark.usefixtures("_emptied")
def test_what_cannot_be_loaded_is_left_out_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    distribution(tmp_path, "broken-maps", "first = nowhere_to_be_found:SOLVER\nsecond = math:pi")
    distribution(tmp_path, "greedy", "icnn = cellot_sc.ot._solvers.cae:SOLVER\nother = greedy_maps:SOLVER")
    taken = "import dataclasses\nfrom cellot_sc import ot\ndef run(*given): pass\n"
    taken += "SOLVER = dataclasses.replace(ot.SOLVERS['gaussian'], run=run)\n"
    (tmp_path / "greedy_maps.py").write_text(taken, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ot.SOLVERS["gaussian"].origin.startswith("cellot_sc.")
    with pytest.warns(UserWarning) as warned:
        for _ in range(2):
            assert "unheard_of" not in ot.SOLVERS
    said = "\n".join(sorted(str(warning.message) for warning in warned))
    assert len(warned) == 3
    assert (
        "solver 'first' of the distribution 'broken-maps' is left out, since it cannot be loaded: ModuleNotFound"
        in said
    )
    assert "a solver is a Solver, not float: 3.14" in said
    assert "solver 'other' of the distribution 'greedy' is left out, since it cannot be loaded: ValueError" in said

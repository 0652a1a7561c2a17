from __future__ import annotations

import inspect
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import cellot_sc as cs
from cellot_sc import _validate


def test_enough_cells() -> None:
    _validate.enough_cells(10, what="control")
    with pytest.raises(ValueError, match="'drug' has 9 train cells; at least 10 are needed"):
        _validate.enough_cells(9, what="'drug'")


@pytest.mark.parametrize("value", [0, 0.2, np.float64(0.999)])
def test_fraction(value: float) -> None:
    checked = _validate.fraction(value, what="test_fraction")
    assert type(checked) is float
    assert checked == value


@pytest.mark.parametrize(
    "value", [-0.1, 1, 1.5, float("nan"), True, False, "0.2", None, 0.5j, np.complex64(0), 10**400, [0.1]]
)
def test_not_a_fraction(value: float) -> None:
    with pytest.raises(ValueError, match=r"test_fraction is .*; a number in \[0, 1\) is needed"):
        _validate.fraction(value, what="test_fraction")


def test_at_least() -> None:
    assert _validate.at_least(3, 3, what="n_cells", why="one for each") == 3
    with pytest.raises(ValueError, match=r"^n_cells is 2; at least 3 are needed: one for each\.$"):
        _validate.at_least(2, 3, what="n_cells", why="one for each")
    for value in ("5", 5.0, None, True):
        with pytest.raises(ValueError, match=r"^n_cells is .*; a whole number, 0 or more, is needed\.$"):
            _validate.at_least(value, 3, what="n_cells", why="one for each")  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [[], [[1, 2]], [[1], [2, 3]], {}, 1.0, [1, 0], [1, "2"], np.nan, 2**40, [True]])
def test_not_several_whole_numbers(given: Any) -> None:
    with pytest.raises(ValueError, match=r"^n_cells is .* is needed\.$"):
        _validate.whole_numbers(given, what="n_cells")


def test_several_whole_numbers() -> None:
    assert _validate.whole_numbers(np.array([5, 3, 5]), what="n_cells") == [5, 3]
    assert _validate.whole_numbers(4, what="n_cells") == [4]


@pytest.mark.parametrize("given", [0, 1.1, np.nan, True, "1", (), (1, 1, 1), [[0.5, 0.5]], 1j, (0.5, None), 10**400])
def test_what_is_no_tau(given: Any) -> None:
    with pytest.raises(ValueError, match=r"^tau is .*; a number in \(0, 1\], or one for the source"):
        _validate.taus(given)
    assert _validate.taus((1, np.float32(0.5))) == (1.0, 0.5)  # type: ignore[arg-type]


def takes(parameter: str) -> list[str]:
    """Return the public functions that have a parameter."""
    spaces = sorted({*cs.__all__} - {"Model", "report", "settings"})
    public = ["report", *(f"{space}.{name}" for space in spaces for name in getattr(cs, space).__all__)]
    return [name for name in public if parameter in _parameters(name)]


def _parameters(name: str) -> Mapping[str, inspect.Parameter]:
    function = operator.attrgetter(name)(cs)
    return inspect.signature(function).parameters if inspect.isfunction(function) else {}


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    """What public functions cannot do without."""
    adata = cs.datasets.simulate(200, 20, seed=0)
    cs.tl.cellot(adata, solver="mean_shift")
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    return {
        "adata": adata,
        "observed": adata,
        "predicted": adata,
        "table": cs.tl.evaluate(adata, metrics="energy_distance", n_boot=0),
        "problems": [cs.ot.Problem(x, x + 1, x, x + 1)],
        "x": x,
        "y": x + 1,
        "config": cs.ot.AutoencoderConfig(n_latent=2, hidden=(4,), linear=False),
        "groupby": "cell_type",
        "features": "gene_0",
        "population_key": "cell_type",
        "time_key": "patient",
        "t": 0.5,
        "folder": "not made",
        "path": "not made.html",
    }


@pytest.mark.parametrize("value", [-1, 0.5, True, "0", None])
@pytest.mark.parametrize(
    ("name", "parameter"), [(name, parameter) for parameter in ("seed", "n_boot") for name in takes(parameter)]
)
def test_seed_and_n_boot_are_checked_alike(given: dict[str, Any], name: str, parameter: str, value: object) -> None:
    needed = [p.name for p in _parameters(name).values() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    arguments = {needed_name: given[needed_name] for needed_name in needed}
    with pytest.raises(ValueError) as error:
        operator.attrgetter(name)(cs)(**arguments, **{parameter: value})
    assert str(error.value) == f"{parameter} is {value!r}; a whole number, 0 or more, is needed."


def test_cells_to_judge() -> None:
    assert _validate.cells_to_judge({"control": 2, "a": 2, "b": 1}, "control", split="test") == ["a"]
    for counts in ({"control": 1, "a": 2}, {"control": 2, "a": 1}):
        with pytest.raises(
            ValueError, match=rf"split 'ood' has {counts['control']} of 'control', {counts['a']} of 'a'"
        ):
            _validate.cells_to_judge(counts, "control", split="ood")
    none = dict.fromkeys(["control", *map(str, range(9))], 0)
    with pytest.raises(
        ValueError, match=r"0 of '4' and 4 more: .* hold one out, .* with holdout=.* of cs.pp.split, or"
    ):
        _validate.cells_to_judge(none, "control", split="ood")
    with pytest.raises(ValueError, match="give another split, or make one that has some valid cells of each"):
        _validate.cells_to_judge(none, "control", split="valid")


def test_resamples() -> None:
    assert (_validate.resamples(0), _validate.resamples(10**5)) == (0, 10**5)
    with pytest.raises(ValueError, match="n_boot is 100001; a whole number of at most 100,000 is needed"):
        _validate.resamples(10**5 + 1)


def test_sampled_cells() -> None:
    _validate.sampled_cells([99, 5], 5, split="test")
    with pytest.raises(ValueError, match="n_cells is 6, and split 'test' has at most 5 cells of a kind"):
        _validate.sampled_cells([99, 6], 5, split="test")

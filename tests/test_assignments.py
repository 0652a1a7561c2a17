from __future__ import annotations

import inspect
from typing import Any

import pytest
import typer
from typer.main import get_command

import cellot_sc as cs
from cellot_sc import _assignments, cli


@pytest.fixture
def context() -> typer.Context:
    """The context in which the command "fit" is run."""
    command = get_command(cli.app).commands["fit"]  # type: ignore[attr-defined]
    return typer.Context(command)


def test_pairs() -> None:
    assert _assignments.pairs(["a=1", "b=c=d"], what="--holdout") == [("a", "1"), ("b", "c=d")]
    assert _assignments.pairs(None, what="--holdout") == []
    with pytest.raises(ValueError, match="--holdout 'a' is not of the form NAME=VALUE"):
        _assignments.pairs(["a"], what="--holdout")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("[1, 2]", [1, 2]), ("(1, 2)", (1, 2)), ("true", True), ("True", True), ("null", None),
        ("None", None), ("1e-3", 0.001), ("adam", "adam"), ("[" * 10_000, "[" * 10_000), ("7" * 5000, "7" * 5000),
    ],
)  # fmt: skip
def test_values_are_those_of_json_and_python(text: str, value: Any, context: typer.Context) -> None:
    options = _assignments.solver_options([f"width={text}"], context)
    assert options == {"width": value} and type(options["width"]) is type(value)


def test_names_are_given_once() -> None:
    assert _assignments.named_once(["T=CD4", "B=B"], what="--context-map") == {"T": "CD4", "B": "B"}
    with pytest.raises(ValueError, match="--context-map gives 'T' twice: 'CD4' and 'CD8'"):
        _assignments.named_once(["T=CD4", "T=CD8"], what="--context-map")


def test_nothing_is_given_twice(context: typer.Context) -> None:
    with pytest.raises(ValueError, match="--set gives 'width' twice: '8' and '16'"):
        _assignments.solver_options(["width=8", "width=16"], context)


def test_every_parameter_that_is_no_option_is_known() -> None:
    assert set(_assignments.PARAMETERS) == set(inspect.signature(cs.tl.cellot).parameters) - {"options"}

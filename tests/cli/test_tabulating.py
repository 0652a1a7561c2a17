from __future__ import annotations

import inspect
import logging

import pytest
from anndata import AnnData

import cellot_sc as cs
from cellot_sc import _validate
from cellot_sc.cli._tabulating import NEEDS, TABLES, Reasons, Tables


def test_tables_are_told_what_their_functions_take() -> None:
    for name, told in TABLES.items():
        parameters = inspect.signature(getattr(cs.tl, name)).parameters
        assert {*told, "targets", "key", "seed"} <= set(parameters), name
        needed = [p for p in told if parameters[p].default is inspect.Parameter.empty]
        assert needed == ([NEEDS[name][0]] if name in NEEDS else []), name


def test_a_table_says_what_it_needs(simulated: AnnData) -> None:
    with pytest.raises(ValueError, match="--groupby is needed for abundance_shift"):
        Tables(simulated, {"groupby": None}, {})["abundance_shift"]


def test_reasons_are_said_once_with_all_that_they_are_of(caplog: pytest.LogCaptureFixture) -> None:
    reasons = Reasons(strict=False)
    for name in ("one", "two"):
        with reasons.of(name):
            _validate.seed(-1)
    with caplog.at_level(logging.INFO, "cellot_sc"):
        reasons.tell(any_made=True)
    assert [record.getMessage() for record in caplog.records] == [
        "no one, two: seed is -1; a whole number, 0 or more, is needed."
    ]
    with pytest.raises(ValueError, match="seed is -1"):
        reasons.tell(any_made=False)
    with pytest.raises(ValueError, match="seed is -1"), Reasons(strict=True).of("one"):
        _validate.seed(-1)


def test_a_fault_of_the_program_is_no_reason() -> None:
    with pytest.raises(ZeroDivisionError), Reasons(strict=False).of("one"):
        1 / 0  # noqa: B018

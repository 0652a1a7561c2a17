from __future__ import annotations

from typing import Any

import numpy as np

from cellot_sc import ot

SOURCE = np.array([[0.0], [2.0], [10.0], [12.0]])
TARGET = np.array([[3.0], [13.0], [14.0], [15.0]])
CODES: dict[str, Any] = {"source_contexts": np.array([0, 0, 1, 1]), "target_contexts": np.array([0, 1, 1, 1])}


def fitted(**kwargs: Any) -> ot.TransportMap:
    [(transport, _)] = ot.fit([ot.Problem(SOURCE, TARGET, **kwargs)], "group_shift")
    return transport


def shift(transport: ot.TransportMap) -> float:
    return transport.transport(np.zeros((1, 1))).item()


def test_every_context_has_its_own_shift_and_the_parent_that_of_equal_composition() -> None:
    transport = fitted(**CODES, context_names=[["B", "T"]])
    assert isinstance(transport, ot.ContextMap)
    assert [shift(transport.at(name)) for name in ("B", "T", "other")] == [2.0, 3.0, 2.5]
    assert shift(transport) == 2.5


def test_without_contexts_it_is_the_mean_shift() -> None:
    assert shift(fitted()) == np.mean(TARGET) - np.mean(SOURCE)


def test_contexts_within_contexts() -> None:
    inner = {name: np.column_stack([codes, [0, 1, 0, 1]]) for name, codes in CODES.items()}
    transport = fitted(**inner, context_names=[["B", "T"], ["p", "q"]])
    assert shift(transport.at("B")) == 2.0
    assert shift(transport.at("B", "p")) == 3.0
    # of this one there are no treated cells
    assert shift(transport.at("B", "q")) == 2.0
    assert shift(transport.at("T", "q")) == 2.0

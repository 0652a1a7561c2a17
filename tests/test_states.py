from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellot_sc import _states
from cellot_sc._states import (
    Bound,
    Dictionary,
    Group,
    Layers,
    Numbers,
    OneOf,
    Positive,
    Reals,
    StateReading,
    Text,
    Texts,
    Tree,
    Whole,
    read_fields,
)

FIELDS: dict[str, _states.Field] = {
    "mean": Numbers("d"),
    "matrix": Numbers("dd", _states.INVERTIBLE),
    "width": Whole(most=8, axis="w"),
    "strength": Positive(),
    "name": OneOf(("a", "b")),
    "kept": _states.FLAG,
    "inner": Group(dict, {"x": Numbers("w"), "y": Numbers("d")}, optional=["y"]),
    "layers": Layers("d", "1", n_labels=2),
    "tree": Tree(lambda reading: {"bias": (reading.values["width"],), "deep": {"scale": ()}}, axes="k"),
    "label": Text(),
    "labels": Texts("d"),
    "reals": Reals(_states.POSITIVE),
    "most": Bound(),
    "options": Dictionary(),
}


def layer(*shape: int) -> dict[str, np.ndarray]:
    return {"kernel": np.ones(shape), "bias": np.ones(shape[-1])}


@pytest.fixture
def state() -> dict[str, Any]:
    """What a file gives: numbers and texts of numpy, names in another order."""
    return {
        "options": {"names": np.array(["a", "b"]), "of": {"n": np.int64(2)}},
        "most": np.float64(np.inf),
        "reals": np.array([0.1, 2]),
        "labels": np.array(["a", "nan"], dtype=object),
        "label": np.str_(""),
        "tree": {"deep": {"scale": np.ones(3)}, "bias": np.ones((3, 2), dtype=np.float64)},
        "layers": {"Dense_1": layer(5, 1), "Dense_0": layer(4, 5)},
        "inner": {"x": np.arange(2)},
        "kept": np.bool_(True),
        "name": np.str_("a"),
        "strength": np.array(0.5),
        "width": np.int32(2),
        "matrix": np.eye(2),
        "mean": np.zeros(2, dtype=np.float16),
    }


def test_what_is_right_is_read_as_it_is_used(state: dict[str, Any]) -> None:
    read = read_fields(state, FIELDS, StateReading())
    assert list(read) == list(FIELDS)
    assert (read["width"], read["strength"], read["name"], read["kept"]) == (2, 0.5, "a", True)
    assert type(read["width"]) is int
    assert type(read["kept"]) is bool
    assert (read["label"], read["labels"], read["reals"]) == ("", ("a", "nan"), (0.1, 2.0))
    assert (read["most"], read["options"]) == (np.inf, {"names": ("a", "b"), "of": {"n": 2}})
    assert read["matrix"].dtype == read["mean"].dtype == read["tree"]["bias"].dtype == np.float32
    assert list(read["layers"]) == ["Dense_0", "Dense_1"]
    assert read["inner"].keys() == {"x"}
    np.testing.assert_array_equal(read["inner"]["x"], [0, 1])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("mean", np.zeros(3), r"^matrix has shape \(2, 2\); \(3, 3\) is needed"),
        ("mean", np.array([0, np.nan]), "^mean holds NaN, inf or numbers beyond 1e\\+30 in 1 of 2 places"),
        ("mean", np.array([0, 1e31]), "^mean holds NaN, inf or"),
        ("mean", np.array(["a"]), "^mean is an array of <U1; an array of numbers is needed"),
        ("mean", [0.0, 1.0], r"^mean is \[0.0, 1.0\]; an array of numbers is needed"),
        ("mean", np.zeros(0), r"^mean has shape \(0,\); \(d\) is needed, with no axis of 0"),
        ("matrix", np.ones((2, 2)), "^matrix is .*; a matrix that has an inverse is needed"),
        ("matrix", np.eye(2) * 1j, "^matrix is an array of complex128"),
        ("width", 9, "^width is 9; a whole number of at most 8 is needed"),
        ("width", 3, r"^inner.x has shape \(2,\); \(3\) is needed"),
        ("strength", -1.0, "^strength is -1.0; a positive, finite number is needed"),
        ("name", "c", "^name is 'c'; one of 'a', 'b' is needed"),
        ("name", np.array(["a", "b"]), "^name is array.*; one of 'a', 'b' is needed"),
        ("kept", 1, "^kept is 1; one of False, True is needed"),
        ("inner", {}, "^inner.x is missing"),
        ("inner", {"x": np.ones(2), "z": 1}, "^inner.'z' is unknown; a dict of x is needed"),
        ("inner", 3, "^inner is 3; a dict of x is needed"),
        ("layers", {"Dense_0": layer(2, 1)}, r"^layers.Dense_0 has a kernel of shape \(2, 1\) and a bias"),
        ("layers", {"Dense_0": layer(4, 3)}, "^layers.Dense_0 has a kernel"),
        ("layers", {"Dense_0": layer(4, 3), "Dense_1": layer(2, 1)}, "^layers.Dense_1 has a kernel"),
        ("layers", {"Dense_1": layer(4, 1)}, "^layers.Dense_0 is missing"),
        ("layers", {f"Dense_{i}": layer(1, 1) for i in range(101)}, "^layers is a dict of 101; at most 100 are"),
        ("label", b"a", "^label is b'a'; a text is needed"),
        ("labels", "ab", "^labels is 'ab'; a sequence of texts is needed"),
        ("labels", ["a", "a"], "^labels is .*; texts are needed, of which no two are alike"),
        ("labels", ["a", np.nan], "^labels is .*; a sequence of texts is needed"),
        ("labels", ["a"], "^labels has 1 texts; 2 is needed"),
        ("reals", [1.0, np.inf], "^reals is .*; finite numbers are needed"),
        ("reals", [1.0, 0.0], "^reals is .*; positive numbers are needed"),
        ("reals", "12", "^reals is '12'; a list of numbers is needed"),
        ("most", np.nan, "^most is nan; a number or inf is needed"),
        ("options", [1], r"^options is \[1\]; a dict is needed"),
        ("tree", {"bias": np.ones((3, 2))}, "^tree.deep is missing"),
        ("tree", {"bias": np.ones((3, 2)), "deep": {"scale": np.ones(4)}}, r"^tree.deep.scale has shape \(4,\); \(k\)"),
    ],
)
def test_what_is_wrong_is_named(state: dict[str, Any], name: str, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_fields(state | {name: value}, FIELDS, StateReading())


@pytest.mark.parametrize("name", FIELDS)
def test_nothing_may_be_missing(state: dict[str, Any], name: str) -> None:
    del state[name]
    with pytest.raises(ValueError, match=f"^{name} is missing"):
        read_fields(state, FIELDS, StateReading())


def test_what_else_may_be_there(state: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="^'kind' is unknown"):
        read_fields(state | {"kind": "a"}, FIELDS, StateReading())
    for others in (["kind"], None):
        assert "kind" not in read_fields(state | {"kind": "a"}, FIELDS, StateReading(), others=others)


@pytest.mark.parametrize(
    ("demand", "right", "wrong"),
    [
        (_states.POSITIVE, [1, 2], [1, 0]),
        (_states.NOT_NEGATIVE, [0, 1], [0, -1]),
        (_states.SHARES, [0.25, 0.75], [0.5, 0.6]),
        (_states.SHARES, [0.25, 0.75], [1.5, -0.5]),
        (_states.DEFINITE, [[2, 1], [1, 2]], [[1, 2], [2, 1]]),
        (_states.DEFINITE, [[[2, 1], [1, 2]]], [[[2, 1], [0, 2]]]),
        (_states.INVERTIBLE, [[0, 1], [1, 0]], [[0.1, 0.2], [0.3, 0.6]]),
    ],
)
def test_demands(demand: _states.Demand, right: Any, wrong: Any) -> None:
    assert demand.met(np.array(right, dtype=np.float64))
    assert not demand.met(np.array(wrong, dtype=np.float64))

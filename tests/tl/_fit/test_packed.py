from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from cellot_sc.tl._fit.packed import packed, unpacked

STATES: list[dict[str, Any]] = [
    {
        "kind": "a",
        "x": np.arange(6, dtype=np.float32).reshape(2, 3),
        "n": np.int64(3),
        "names": np.array(["b", ""], "O"),
    },
    {"kind": "c", "inner": {"y": np.array([0.5]), "of": True}, "none": np.empty((0, 2))},
]


def test_states_are_what_they_were():
    kept = packed(STATES)
    assert kept["numbers"].dtype == np.float32 and kept["numbers"].shape == (7,)
    first, second = unpacked(kept, path="maps")
    np.testing.assert_array_equal(first["x"], STATES[0]["x"])
    assert (first["kind"], first["n"], first["names"]) == ("a", 3, ["b", ""])
    assert second["inner"]["y"].tolist() == [0.5] and second["inner"]["of"] is True
    assert second["none"].shape == (0, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"numbers": np.arange(6.0)}, "maps.numbers has 6 numbers, and more are needed"),
        ({"numbers": np.arange(8.0)}, "more numbers than these"),
        ({"numbers": np.full(7, np.nan)}, "NaN"),
        ({"rest": "[{"}, "Expecting"),
        ({"rest": json.dumps({"shape": [7]})}, "maps is no list of states"),
        ({"rest": json.dumps([{"shape": [-1]}])}, r"has \[-1\] for the shape"),
        ({"rest": json.dumps([{"shape": "x"}])}, "has 'x' for the shape"),
        ({"rest": "[" * 100_000}, "nested too deeply"),
        ({"rest": 3}, "a text is needed"),
    ],
)
def test_what_is_no_pack_is_refused(change: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        unpacked(packed(STATES) | change, path="maps")

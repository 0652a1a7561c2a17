from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.lines import Line2D

from cellot_sc._calls import plain


@plain
def function(
    adata: Any,
    name: str = "a",
    *,
    targets: str | Sequence[str] | None = None,
    names: str | Sequence[str] | None = None,
    order: Sequence[Any] | None = None,
    series: pd.Series | Sequence[int] | None = None,
    where: Path | Sequence[Path] = (),
    color: str | None = None,
    style: Literal["bars", "lines"] = "bars",
    show: bool | None = None,
    save: str | Path | None = None,
    palette: Mapping[str, Any] | None = None,
    table: pd.DataFrame | None = None,
    n: int = 3,
    control: str = "control",
    **options: Any,
) -> dict[str, Any]:
    """Return what it is given."""
    return options


@pytest.mark.parametrize(
    ("wrong", "needed"),
    [
        ({"name": None}, "text is"),
        ({"name": ["a"]}, "text is"),
        ({"color": 3}, "text or None is"),
        ({"style": pd.NA}, "text is"),
        ({"show": "yes"}, "True or False or None is"),
        ({"show": 1}, "True or False or None is"),
        ({"save": b"a.png"}, "text or a path or None is"),
        ({"names": 3}, "text or a sequence of text or None is"),
        ({"names": b"a"}, "text or a sequence of text or None is"),
        ({"names": {"a": 1}}, "text or a sequence of text or None is"),
        ({"names": [["a"], 3]}, "text or a sequence of text or None is"),
        ({"names": np.array([["a"]])}, "text or a sequence of text or None is"),
        ({"palette": [("a", "red")]}, "a dictionary or None is"),
        ({"order": "abc"}, "a sequence or None is"),
        ({"order": np.array(3)}, "a sequence or None is"),
        ({"where": [Path("a"), 3]}, "a path or a sequence of a path is"),
        ({"table": {"a": [1]}}, r"a table \(pandas.DataFrame\) or None is"),
    ],
)
def test_other_types_are_refused(wrong: dict[str, Any], needed: str) -> None:
    (name,) = wrong
    with pytest.raises(TypeError, match=f"^{name} is .*; {needed} needed"):
        function(None, **wrong)


def test_right_types_pass() -> None:
    right: dict[str, Any] = {
        "style": "none such",
        "color": np.str_("a"),
        "show": np.bool_(True),
        "save": Path("a"),
        "palette": {},
    }
    assert function(None, "b", **right, table=pd.DataFrame(), other=3) == {"other": 3}
    # what needs a look at the data, and labels of cells, are left to the function
    assert function(None, targets=[3], n="many", control=0, series=3) == {}  # type: ignore[arg-type, list-item]
    for names in (["a"], ("a", "b"), np.array(["a"]), pd.Index(["a"]), pd.Series(["a", "b"]), []):
        assert function(None, names=names, order=[3, "a"]) == {}  # type: ignore[arg-type]


def test_a_class_is_known_by_its_name() -> None:
    @plain
    def draw(line: Line2D | Sequence[Line2D] | None = None, adata: AnnData | None = None) -> None:
        pass

    line = Line2D([], [])
    draw(line, AnnData())
    draw([line])
    with pytest.raises(TypeError, match="^line is .*; a Line2D or a sequence of a Line2D or None is needed"):
        draw([line, 3])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="^adata is 3; an AnnData or None is needed"):
        draw(adata=3)


def test_python_says_what_is_missing_or_unknown() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'adata'"):
        function()  # type: ignore[call-arg]


def test_errors_are_short() -> None:
    with pytest.raises(TypeError, match=r"^name is array\(\[\[0., .{60,70}\.\.\.; text is needed"):
        function(None, np.zeros((99, 99)))  # type: ignore[arg-type]

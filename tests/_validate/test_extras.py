from __future__ import annotations

import math

import pytest

from cellot_sc import _validate


def test_what_is_installed() -> None:
    assert _validate.installed("math", extra="spatial", what="cs.tl.spatial_effects") is math


def test_what_is_not() -> None:
    words = (
        r"^cs\.tl\.thing needs absent_module, which cannot be imported \(No module.*pip install '\.\[thing\]' in a "
        r"clone or, after the first release, pip install 'cellot-sc\[thing\]'\.$"
    )
    with pytest.raises(ImportError, match=words):
        _validate.installed("absent_module", extra="thing", what="cs.tl.thing")

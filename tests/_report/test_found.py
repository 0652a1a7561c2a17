from __future__ import annotations

import dataclasses

import pytest

from cellot_sc._report import _found


@pytest.mark.parametrize(
    ("solver", "name"),
    [("icnn", "neural map"), ("gaussian", "affine (Gaussian) map"), ("entropic", "fitted map (entropic)")],
)
def test_models_have_plain_names(looked_at: _found.Found, solver: str, name: str) -> None:
    fit = dataclasses.replace(looked_at.fitted.fit, solver=solver, options={})
    assert _found.model(looked_at._replace(fitted=dataclasses.replace(looked_at.fitted, fit=fit))) == name


def test_groups_have_plain_names() -> None:
    assert _found.groups("cell_type") == "cell types"
    assert _found.groups("leiden") == "groups of “leiden”"

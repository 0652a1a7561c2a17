from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

import cellot_sc as cs


def test_a_panel_per_feature_with_dots_curves_and_intervals(doses: AnnData) -> None:
    axes = cs.pl.dose_response(doses, features=["displacement", "marker_0"], show=False)
    assert list(axes) == ["displacement", "marker_0"]
    ax = axes["displacement"]
    assert ax.get_xscale() == "log"
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    # the inert drug has no displacement of which there could be a fraction
    assert len(dots) == 1
    x, y = map(np.asarray, dots[0].get_data())
    np.testing.assert_allclose(x, [0.1, 1, 10, 100])
    assert y[0] == pytest.approx(0, abs=1e-6) and y[-1] == pytest.approx(1, abs=1e-6)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "10", "100"]


def test_strongest_features_are_shown(doses: AnnData) -> None:
    axes = cs.pl.dose_response(doses, "drug_a", show=False)
    assert list(axes)[0] == "displacement" and len(axes) == 5
    with pytest.raises(KeyError, match="'marker_O' is not there. Did you mean"):
        cs.pl.dose_response(doses, features="marker_O", show=False)

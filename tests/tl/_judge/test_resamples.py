from __future__ import annotations

import numpy as np

from cellot_sc.metrics import METRICS
from cellot_sc.metrics._resampling import ObservedCells
from cellot_sc.tl._judge.resamples import Resamples


class TestUnits:
    units = np.repeat(np.arange(6), 40)
    judged = np.arange(240) < 160

    def resamples(self, n_boot: int = 200) -> Resamples:
        return Resamples(n_boot, self.units, self.judged, np.random.default_rng(0))

    def test_cells_of_a_unit_are_drawn_together(self):
        counts = self.resamples().counts(np.arange(240), np.random.default_rng(1))
        for unit in range(6):
            of_unit = counts[self.units == unit]
            assert (of_unit == of_unit[0]).all()
        assert counts.std() > 0

    def test_judged_units_are_always_as_many_as_there_are(self):
        counts = self.resamples().counts(np.arange(240), np.random.default_rng(1))
        assert (counts[self.judged].sum(axis=0) == 160).all()
        assert (counts[~self.judged].sum(axis=0) == 80).all()

    def test_all_clouds_share_their_units(self):
        resamples = self.resamples()
        a, b = (resamples.counts(np.array(rows), np.random.default_rng(i)) for i, rows in enumerate(([0, 41], [3, 45])))
        np.testing.assert_array_equal(a, b)

    def test_other_cells_are_drawn_with_their_units(self):
        resamples, rng = self.resamples(), np.random.default_rng(1)
        of_cells = resamples.counts(np.arange(240), rng)
        np.testing.assert_array_equal(resamples.counts_of(3, np.array([5, 0, 0]), rng), of_cells[[200, 0, 0]])
        alone = resamples.counts_of(30, None, rng)
        assert (alone.sum(axis=0) == 30).all() and (alone != alone[0]).any()

    def test_intervals_are_as_wide_as_units_differ(self):
        rng = np.random.default_rng(0)
        units = np.tile(np.repeat(np.arange(8), 20), 2)
        between = rng.normal(size=(8, 3))[units] * 2
        cells = rng.normal(size=(320, 3)) + between + np.repeat([0, 1], 160)[:, None]
        width = {}
        for kind in ("units", "cells"):
            resamples = Resamples(300, units if kind == "units" else None, np.ones(320, dtype=bool), rng)
            control_counts, counts = (resamples.counts(rows, rng) for rows in (np.arange(160), np.arange(160, 320)))
            observed = ObservedCells(
                cells[160:],
                cells[:160],
                gammas=np.array([0.1]),
                observed_counts=counts,
                control_counts=control_counts,
                whole_units=kind == "units",
            )
            for name in ("energy_distance", "mmd", "l2_means", "deg_overlap", "wasserstein_marginals"):
                metric = METRICS[name]
                value, values = metric.resampling.score(metric, observed, cells[:160] + 0.8, control_counts)
                assert np.isfinite(values).all()
                assert values.min() <= value <= values.max()
                # a unit that is drawn twice is close to itself, which is no news of the populations
                if kind == "units" and name in ("energy_distance", "mmd"):
                    np.testing.assert_allclose(values.mean(), value, rtol=1e-6)
                width[kind, name] = values.std()
        # patients are alike before and after, so that their mean change is known as well as that of cells
        assert width["units", "l2_means"] < width["cells", "l2_means"]
        assert width["units", "energy_distance"] > 0

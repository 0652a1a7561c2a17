"""Tests of the devices that problems are dealt out to, in a process that has four."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np

from cellot_sc.ot._loop import devices

FITS = """
import sys
import jax, numpy as np
from cellot_sc import ot
from cellot_sc.ot._loop import devices

rng = np.random.default_rng(0)
in_context = {name: np.arange(60) % 2 for name in ("source_contexts", "target_contexts")}
in_context |= {name: np.arange(40) % 2 for name in ("source_valid_contexts", "target_valid_contexts")}

def problem(i):
    source, target, source_valid, target_valid = (rng.normal(size=(n, 2)).astype("float32") for n in (60, 60, 40, 40))
    bent = [np.where(cells > 0, 3 * cells + i, cells / 3) for cells in (target, target_valid)]
    return ot.Problem(source, bent[0], source_valid, bent[1], **(in_context if i == 5 else {}))

def look(*given):
    made = dealt(*given)
    lie.update(len(leaf.sharding.device_set) for leaf in jax.tree.leaves(made))
    return made

def fit(progress=None, **options):
    lie.clear()
    sizes = {"width": 4, "depth": 1, "penalties": (1.0, 3.0), "n_steps": 30, "check_every": 10, "min_steps": 10}
    fits = ot.fit(problems, "icnn", progress=progress, **sizes, **options)
    moved = [of.map.transport(p.source, **({} if p.source_contexts is None else {"contexts": p.source_contexts}))
             for of, p in zip(fits, problems)]
    return np.array(moved), [of.history.metrics for of in fits], sorted(lie)

def stop(done, total, metrics):
    if done == 20:
        raise KeyboardInterrupt

problems, lie, dealt = [problem(i) for i in range(6)], set(), devices.dealt
devices.dealt = look
moved, histories, places = fit()
with jax.default_device(jax.devices()[0]):
    moved_by_one, histories_by_one, place = fit()
print("devices", *places, *place)
print("same", np.array_equal(moved, moved_by_one), str(histories) == str(histories_by_one))
fit(stop, checkpoint_dir=sys.argv[1])
with jax.default_device(jax.devices()[0]):
    print("resumed by one", np.array_equal(fit(checkpoint_dir=sys.argv[1], resume=True)[0], moved))
"""


def test_four_devices_fit_what_one_does(tmp_path: Path) -> None:
    given = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    given["CELLOT_SC_VERBOSITY"] = "error"
    call = [sys.executable, "-c", FITS, str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, check=False, env={**os.environ, **given})
    assert (done.stdout + done.stderr).splitlines() == ["devices 4 1", "same True True", "resumed by one True"]


def test_single_device_that_was_chosen_is_used_alone() -> None:
    assert devices.used() == tuple(jax.local_devices())
    [first, *_] = jax.local_devices()
    for chosen in (first, first.platform):
        with jax.default_device(chosen):
            assert devices.used()[0] == first


def test_one_device_is_given_all() -> None:
    with jax.default_device(jax.local_devices()[0]):
        total = devices.dealt(lambda x, y: x + y, (np.arange(3.0),), (devices.everywhere(np.float32(2)),))
    np.testing.assert_allclose(total, [2, 3, 4])

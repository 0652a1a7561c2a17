from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pooch
import pytest

import cellot_sc as cs
from cellot_sc._settings import Settings, logger


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"CELLOT_SC_{name.upper()}", raising=False)
    settings = Settings()
    assert settings.verbosity == "info"
    assert settings.progress is True
    assert settings.dataset_dir == Path(pooch.os_cache("cellot_sc"))
    assert settings.device == "auto"
    assert settings.figure_dpi == 150


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CELLOT_SC_PROGRESS", "false")
    monkeypatch.setenv("CELLOT_SC_DATASET_DIR", str(tmp_path))
    monkeypatch.setenv("CELLOT_SC_DEVICE", "cpu")
    monkeypatch.setenv("CELLOT_SC_FIGURE_DPI", "300")
    settings = Settings()
    assert (settings.progress, settings.dataset_dir, settings.device, settings.figure_dpi) == (
        False,
        tmp_path,
        "cpu",
        300,
    )


def test_bad_values_of_the_environment_are_named_as_they_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLOT_SC_FIGURE_DPI", "sharp")
    with pytest.raises(ValueError, match=r"^CELLOT_SC_FIGURE_DPI is 'sharp': .* integer"):
        Settings()


def test_home_is_known() -> None:
    with cs.settings.override(dataset_dir="~/data"):
        assert cs.settings.dataset_dir == Path.home() / "data"


def test_verbosity_sets_the_level_of_the_log() -> None:
    with cs.settings.override(verbosity="error"):
        assert logger.level == logging.ERROR
    assert logger.level == logging.getLevelNamesMapping()[cs.settings.verbosity.upper()]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("verbosity", "loud"), ("verbosity", None), ("device", "abacus"), ("progress", "perhaps"),
        ("figure_dpi", "sharp"), ("figure_dpi", 0), ("figure_dpi", 10**9), ("dataset_dir", 3), ("dataset_dir", ""),
        ("dataset_dir", "a\0b"), ("dataset_dir", "~nobody-of-this-name/a"),
    ],
)  # fmt: skip
def test_bad_values_are_refused_and_change_nothing(name: str, value: object) -> None:
    before = getattr(cs.settings, name)
    with pytest.raises(ValueError, match=rf"^cs\.settings\.{name} is {re.escape(repr(value))}: .*[^.]\.$"):
        setattr(cs.settings, name, value)
    assert getattr(cs.settings, name) == before


def test_unknown_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="setting 'verbose' is unknown. Did you mean 'verbosity'?"):
        cs.settings.verbose = True  # type: ignore[attr-defined]


def test_log_goes_to_stderr_at_the_chosen_level() -> None:
    code = (
        "from cellot_sc._settings import logger, settings\n"
        "logger.info('seen'); settings.verbosity = 'warning'; logger.info('unseen')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr == "seen\n"


FIT_AND_MOVE = """
import jax, numpy as np
import cellot_sc as cs
from cellot_sc.ot._maps import mlp

def on(arrays):
    return sorted({str(device) for array in arrays for device in array.devices()})

def look(*_):
    print("fits on", *on(array for array in jax.live_arrays() if id(array) not in before))

def displace(*given):
    moved = apply(*given)
    print("moves on", *on([moved]))
    return moved

jax.config.update("jax_default_device", jax.devices()[1])
cells = np.random.default_rng(0).normal(size=(4, 40, 3)).astype("float32")
before = {id(array) for array in jax.live_arrays()}
with cs.settings.override(device=DEVICE):
    [fit] = cs.ot.fit([cs.ot.Problem(*cells)], "monge_gap", progress=look, check_every=1, patience=1)
    apply, mlp.displace = mlp.displace, displace
    fit.map.transport(cells[0])
print("left at", jax.config.jax_default_device)
"""


def with_two_devices(code: str, **environment: str) -> list[str]:
    """Return the lines that a fresh interpreter, whose jax has two devices, prints; its error is the last."""
    environment = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=2", **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    return (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize(("device", "place"), [("auto", "cpu:1"), ("cpu", "cpu:0")])
def test_fits_and_transports_are_on_the_device(device: str, place: str) -> None:
    lines = with_two_devices(FIT_AND_MOVE.replace("DEVICE", repr(device)))
    assert dict.fromkeys(lines) == dict.fromkeys([f"fits on {place}", f"moves on {place}", "left at cpu:1"])


@pytest.mark.parametrize("first", ["import cellot_sc", "import jax, cellot_sc", "import cellot_sc.ot"])
def test_device_of_the_environment(first: str) -> None:
    code = f"{first}\nimport jax; print(jax.config.jax_default_device)"
    assert with_two_devices(code, CELLOT_SC_DEVICE="cpu") == ["cpu"]


def test_device_is_remembered_until_jax_is_there() -> None:
    code = (
        "import sys, cellot_sc as cs; cs.settings.device = 'cpu'; print('jax' in sys.modules)\n"
        "import jax; print(jax.config.jax_default_device)"
    )
    assert with_two_devices(code) == ["False", "cpu"]


@pytest.mark.parametrize(
    "set_it", ["import jax; cs.settings.device = 'gpu'", "cs.settings.device = 'gpu'; cs.ot.PotentialMap"]
)
def test_device_that_is_not_there(set_it: str) -> None:
    message = (
        "device 'gpu' is not there: jax has 'cpu'. Set cs.settings.device (CELLOT_SC_DEVICE) to that, or to 'auto'"
    )
    lines = with_two_devices(f"import cellot_sc as cs; {set_it}")
    assert [line for line in lines if message in line]
    code = (
        "import jax, cellot_sc as cs; cs.settings.device = 'cpu'\n"
        "try: cs.settings.device = 'gpu'\n"
        "except ValueError: print(cs.settings.device, jax.config.jax_default_device)"
    )
    assert with_two_devices(code) == ["cpu cpu"]

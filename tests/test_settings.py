from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

import cellot_sc as cs
from cellot_sc._settings import Settings, logger


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"CELLOT_SC_{name.upper()}", raising=False)
    settings = Settings()
    assert settings.verbosity == "info"
    assert settings.progress is True
    assert settings.dataset_dir == Path.home() / ".cache" / "cellot_sc"
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


def test_verbosity_sets_the_level_of_the_log() -> None:
    with cs.settings.override(verbosity="error"):
        assert logger.level == logging.ERROR
    assert logger.level == logging.getLevelNamesMapping()[cs.settings.verbosity.upper()]


@pytest.mark.parametrize(
    ("name", "value"),
    [("verbosity", "loud"), ("device", "abacus"), ("progress", "perhaps"), ("figure_dpi", "sharp")],
)
def test_bad_values_are_refused_and_change_nothing(name: str, value: object) -> None:
    before = getattr(cs.settings, name)
    with pytest.raises(ValidationError, match=name):
        setattr(cs.settings, name, value)
    assert getattr(cs.settings, name) == before


def test_unknown_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="verbose"):
        cs.settings.verbose = True  # type: ignore[attr-defined]


def test_log_goes_to_stderr_at_the_chosen_level() -> None:
    code = (
        "from cellot_sc._settings import logger, settings\n"
        "logger.info('seen'); settings.verbosity = 'warning'; logger.info('unseen')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr == "seen\n"

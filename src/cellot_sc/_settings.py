"""Settings of the package, read from the environment (``CELLOT_SC_*``) and validated on assignment."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import pooch
from pydantic import field_validator
from scverse_misc import Settings as _Settings

logger = logging.getLogger("cellot_sc")

type Verbosity = Literal["error", "warning", "info", "debug"]


class Settings(_Settings):
    """How chatty the package is, where data sets are kept, and how figures look by default."""

    verbosity: Literal["error", "warning", "info", "debug"] = "info"
    """Log lines of this level and above are shown."""

    progress: bool = True
    """Whether fits and downloads show a progress bar."""

    dataset_dir: Path = pooch.os_cache("cellot_sc")
    """Folder in which downloaded data sets are kept."""

    device: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """Where maps are fitted and applied: ``"auto"`` is what jax prefers."""

    figure_dpi: int = 150
    """Resolution of saved raster figures, in dots per inch."""

    @field_validator("verbosity")
    @classmethod
    def _set_level(cls, value: Verbosity) -> Verbosity:
        logger.setLevel(value.upper())
        return value


def _configure_logger() -> None:
    if logger.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.propagate = False


settings = Settings()
_configure_logger()
logger.setLevel(settings.verbosity.upper())

"""The public data sets: where they are, whom to cite, and how to know that a file is theirs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from scverse_misc.datasets import DatasetEntry, parse_registry

REGISTRY = Path(__file__).with_name("registry.yaml")


@cache
def entries() -> dict[str, DatasetEntry]:
    """Return every entry of the registry by its name."""
    return parse_registry(REGISTRY)[1]

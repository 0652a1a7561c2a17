"""Data sets: simulated ones, of which the truth is known."""

from __future__ import annotations

from ._simulate import simulate

__all__ = ["simulate"]

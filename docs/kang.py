"""Draws and counts what the README shows of real cells, those in CELLOT_SC_TEST_DATA: ``python -m docs.kang``."""

from __future__ import annotations

import logging
from pathlib import Path

import cellot_sc as cs
from benchmarks._peers_problems import PeerProblem
from docs import landing

PATIENT = "1015"
"""Who is left out. `python -m benchmarks peers` leaves out every one of the eight in turn."""


def main() -> None:
    """Fit all patients but one, with one map and with one that is told cell types; draw, and print distances."""
    cs.settings.progress = False
    logging.getLogger("cellot_sc").setLevel("WARNING")
    adata = PeerProblem("patient", PATIENT, holdout=PATIENT).cells()
    cs.tl.cellot(adata, "condition")
    cs.tl.cellot(adata, "condition", context="cell_type", key_added="by_type")
    energy = landing.energies(adata, "ood", {"cellot": "icnn", "by_type": "icnn per type"})
    landing.draw(adata, energy, Path(__file__).parent / "_static" / "kang.png", split="ood", key="by_type")
    print(energy.rename(landing.MODELS).round(3).to_string())


if __name__ == "__main__":
    main()

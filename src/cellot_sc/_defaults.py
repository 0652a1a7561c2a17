"""The one list of names that are chosen for the user: everywhere else, a solver is known by its record."""

SOLVER = "icnn"
"""Solver of every fit that names none."""
IDENTITY, SHIFT, AFFINE = "identity", "mean_shift", "gaussian"
"""Solvers in closed form: of no effect, of one shift for all cells, and of the best affine map."""
CONTROLS = (IDENTITY, SHIFT, AFFINE)
"""Solvers that predictions are compared with, from the simplest."""
DISCRETE = "entropic"
"""Solver that makes the maps of discrete couplings."""
PUBLISHED = (*CONTROLS, DISCRETE, "popalign", "scgen", "cae")
"""Solvers beside which the tasks of the CellOT publication are judged."""
PAPER = "paper"
"""Preset of the autoencoder of the CellOT publication."""

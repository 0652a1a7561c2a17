"""A file per solver, its record beside it, and the registry of all."""

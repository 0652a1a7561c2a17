"""Floor 2: how good predictions are, beside honest baselines."""

"""Floor 3: time: trajectories, fates and clones."""

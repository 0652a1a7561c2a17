"""The one compiled loop that networks are trained in: batches, objectives, criteria, checkpoints."""

"""A run's folder: weights, checkpoints, pictures and figures, and how a run is resumed."""

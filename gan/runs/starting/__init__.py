"""How a run begins: its training data, and the recipe with the settings of the run."""

"""JAX's contender: the whole training step as one compiled program."""

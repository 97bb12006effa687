"""Optimizers: each step is one pass over a network's flat parameter buffer."""

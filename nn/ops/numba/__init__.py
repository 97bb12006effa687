"""The CPU backend with loops compiled by Numba."""

"""The CPU backend on NumPy, the reference."""

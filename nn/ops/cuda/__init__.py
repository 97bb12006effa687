"""The GPU backend on CuPy."""

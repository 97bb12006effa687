"""A step of the CPU backend as a program: recorded once, then replayed."""

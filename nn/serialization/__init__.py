"""Weights files, archives and atomic files."""

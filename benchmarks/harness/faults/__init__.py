"""Faults of runs and of files, and whether they are survived.

A fault is a function of a folder and a number of attempts; it returns (tried, survived, remark).
"""

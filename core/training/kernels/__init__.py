"""Gradient steps compiled by Numba."""

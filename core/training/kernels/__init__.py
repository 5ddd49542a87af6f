"""Gradient steps compiled by Numba. Does not belong here: threads, settings, the training loop."""

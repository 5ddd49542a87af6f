"""Pair scores and top-k lists of trained models."""

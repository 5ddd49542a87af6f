"""Dagster's webserver, and the guard in front of it."""

"""Dagster's web server, and the guard in front of it."""

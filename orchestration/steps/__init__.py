"""The processes that a run's steps work in."""

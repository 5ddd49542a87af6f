"""The HTTP interface that a shop asks for its lists; it starts without dagster."""

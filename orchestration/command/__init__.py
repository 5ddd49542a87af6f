"""The tasks of the ``alsobought`` command, one module for each."""

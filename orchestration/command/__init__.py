"""What the ``alsobought`` command does, one module per task."""

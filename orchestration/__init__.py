"""When and where: the Dagster asset graph, its resources, schedules and commands.

What belongs here: thin assets that read inputs, call one function of ``core`` and return the value with metadata.
What does not: algorithms, file formats (``core.store``) and anything heavy at import time.
"""

"""When and where: the Dagster asset graph, its resources, schedules and commands."""

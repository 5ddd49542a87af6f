"""The training engine: one loop, its corpus, schedules, warm starts and the back ends that take gradient steps."""

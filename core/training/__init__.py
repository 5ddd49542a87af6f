"""The training engine: the loop, the corpus, schedules, warm starts and the back ends that take gradient steps."""

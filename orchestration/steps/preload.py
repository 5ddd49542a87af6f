"""What every step would do slowly at its start, done once in the server that steps are forked from.

Only that server imports this module. The rest of ``orchestration`` imports none of it at module level.
"""

from importlib import import_module

for _name in (
    "orchestration.instance_storage",  # with it SQLAlchemy and Alembic, to write events
    "orchestration.command.foreground",
    "orchestration.definitions",
    "pandas",
    "pyarrow.dataset",  # to read Parquet
):
    import_module(_name)

# A step looks its job up in this repository, which is made of all assets when it is first asked for, and compares the
# databases with Dagster's migrations.
for _name in ("rebuild", "fold_in"):
    import_module("orchestration.definitions").defs.get_repository_def().get_job(_name)
import_module("orchestration.dagster_internals").read_migrations()

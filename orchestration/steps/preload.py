"""The slow imports of every step, done once in the server that steps are forked from.

Only that server imports this module. The rest of ``orchestration`` imports none of it at module level.
"""

from importlib import import_module

for _name in (
    "orchestration.instance_storage",  # with it SQLAlchemy and Alembic, to write events
    "orchestration.definitions",
    "pandas",
    "pyarrow.dataset",  # to read Parquet
):
    import_module(_name)

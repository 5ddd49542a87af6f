"""The slow imports, done once in the server that steps are forked from.

Only that server imports this module. The rest of ``orchestration`` imports none of it at module level.
"""

from importlib import import_module

for _name in (
    "orchestration.instance_storage",  # with it SQLAlchemy and Alembic, to write events
    "orchestration.definitions",
    "pandas",
    "pyarrow.dataset",  # to read Parquet
    "core.evaluation.run",
    "core.models.blend.scorer",
    "core.models.skipgram.train",  # with it torch
    "core.training.warm_start",
):
    import_module(_name)

# Numba reads its tables of functions when it first compiles something or loads something compiled.
_cpu = import_module("numba.core.registry").cpu_target
_cpu.typing_context.refresh()
_cpu.target_context.refresh()
